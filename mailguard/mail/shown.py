"""What a reader of the strict view sees, so that of other views only what is new is kept."""

import binascii
from collections.abc import Iterable

from mailguard.mail.part import Part

_BLANKS = b"\0\t\n\r "


class Shown:
    """The content of all parts up to now, white space apart."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._texts: dict[bool, list[bytes]] = {False: [], True: []}
        self._files: set[tuple[str, str, bytes]] = set()
        self._names: set[str] = set()
        for part in parts:
            self._remember(part, part.data.translate(None, _BLANKS))

    def add(self, part: Part) -> bool:
        """Add `part`, and return whether it shows what no part before it did."""
        squeezed = part.data.translate(None, _BLANKS)
        is_new = self._is_new(part, squeezed)
        if is_new:
            self._remember(part, squeezed)
        return is_new

    def _is_new(self, part: Part, squeezed: bytes) -> bool:
        if part.filename and part.filename not in self._names:
            return True
        if not squeezed:
            return False
        if part.is_text:
            shown = self._texts[_is_page(part)]
            # Words are the same to a reader with quoted spaces and line breaks between them.
            forms = [squeezed]
            if b"=" in part.data:
                forms.append(binascii.a2b_qp(part.data).translate(None, _BLANKS))
            return not any(form in text for form in forms for text in shown)
        return (part.content_type, part.filename, squeezed) not in self._files

    def _remember(self, part: Part, squeezed: bytes) -> None:
        self._names.add(part.filename)
        if part.is_text:
            self._texts[_is_page(part)].append(squeezed)
        else:
            self._files.add((part.content_type, part.filename, squeezed))


def _is_page(part: Part) -> bool:
    return part.content_type == "text/html"
