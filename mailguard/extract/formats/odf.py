"""OpenDocument text, sheets, slides and drawings (ODF 1.3 part 2), in a zip file or flat."""

import re
import zipfile
from collections.abc import Iterator
from functools import partial

from mailguard.extract.item import About, Feature, Item, Member, Miss, Name
from mailguard.extract.office.locked_odf import read_seals, unlock_odf
from mailguard.extract.office.markup import Events, entities_of, read_any, root_of
from mailguard.extract.office.opendoc import read_opendoc
from mailguard.extract.office.package import FAULTS, CannotRead, Package, cut, guarded
from mailguard.extract.office.zipped import zipped

_KINDS = ("text", "spreadsheet", "presentation", "graphics", "formula", "chart", "database")
TYPES = frozenset(
    f"application/vnd.oasis.opendocument.{kind}{suffix}"
    for kind in _KINDS
    for suffix in ("", "-template", "-master", "-web", "-flat-xml")
)
_NAMES_WORDS = ".odt .ott .ods .ots .odp .otp .odg .otg .odf .odm .fodt .fods .fodp .fodg"
NAMES = tuple(_NAMES_WORDS.split())

_DOCUMENTS = {
    "document-content": "",
    "document-styles": "",
    "document-meta": "properties",
    "document": "",
}
_SKIPPED = frozenset(("manifest", "document-settings", "document-signatures"))
_NOT_CONTENT = re.compile(r"^thumbnails/|^objectreplacements/|layout-cache$|^mimetype$|\.rdf$")
_KNOWN = re.compile(r"^(?:mimetype|META-INF/.*|\w+\.xml|manifest\.rdf|encrypted-package)$|/$")
"""Parts that every file has."""

_SCRIPTS = re.compile(r"^(?:basic|scripts)/", re.IGNORECASE)

SAMPLE = zipped(
    {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": '<o:document-content xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:'
        '1.0" xmlns:t="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><t:p>Text</t:p>'
        "</o:document-content>",
    }
)


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield all text, shown or hidden, and the files inside."""
    if root_of(data[:4096]):
        if about.sniffed == "text/xml":
            # Read by whoever knows it by its content.
            return
        yield from entities_of(data[:4096])
        events = Events(cut(data))
        yield from read_opendoc(events, "", set())
        yield from events.misses()
        return
    try:
        package = Package(data, about)
    except CannotRead as error:
        yield Miss(error.reason)
        return
    except FAULTS:
        yield Miss("broken")
        return
    if package.is_cut:
        yield Miss("too_many_parts")
    is_locked = any(map(_is_whole_locked, package.parts))
    hidden_styles: set[str] = set()
    # Must: styles first, they say what is hidden.
    for part in sorted(package.parts, key=_order):
        name = part.filename.lower()
        if name == "meta-inf/manifest.xml":
            manifest = b"".join(_some(package, part))
            is_locked = is_locked or b"encryption-data" in manifest
            if is_locked:
                yield from guarded(_read_locked(package, manifest, about))
                return
        elif not _NOT_CONTENT.search(name):
            yield from guarded(_read_part(package, part, hidden_styles))


def _read_locked(package: Package, manifest: bytes, about: About) -> Iterator[Item]:
    """Open the file with a word of the message; of one that stays locked, the names are seen."""
    seals = read_seals(Events(cut(manifest)))
    parts = {part.filename: partial(package.read, part) for part in package.parts}
    opened = unlock_odf(parts, seals, about.passwords, about.room)
    if opened is None:
        yield from (Name(name) for name in parts if not _KNOWN.search(name))
        yield Miss("encrypted")
        return
    content, is_whole = opened
    yield Member(about.name or "document", content)
    if not is_whole:
        yield Miss("encrypted")


def _is_whole_locked(part: zipfile.ZipInfo) -> bool:
    return bool(part.flag_bits & 1) or part.filename == "encrypted-package"


def _order(part: zipfile.ZipInfo) -> tuple[bool, bool, str]:
    name = part.filename.lower()
    return name != "meta-inf/manifest.xml", not name.endswith("styles.xml"), name


def _some(package: Package, part: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        yield from package.pieces(part)
    except (CannotRead, *FAULTS):
        return


def _read_part(package: Package, part: zipfile.ZipInfo, hidden_styles: set[str]) -> Iterator[Item]:
    head = package.head(part)
    root = root_of(head)
    if root in _SKIPPED or not head:
        return
    if _SCRIPTS.search(part.filename):
        yield Feature("macros")
    if not root:
        if "/" in part.filename and not part.filename.lower().startswith("pictures/"):
            yield Feature("embedded")
        yield Member(part.filename.rpartition("/")[2], package.read(part))
        return
    yield from entities_of(head)
    events = Events(package.pieces(part))
    if root in _DOCUMENTS:
        yield from read_opendoc(events, _DOCUMENTS[root], hidden_styles)
    else:
        yield from read_any(events, "macro" if _SCRIPTS.search(part.filename) else "part")
    yield from events.misses()
