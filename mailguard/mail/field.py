"""Read a structured MIME field: its value and its parameters (RFC 2045 §5.1, RFC 2231)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote_to_bytes

from mailguard.mail.charset import decode
from mailguard.mail.words import decode_words

PARAMETERS = 200
"""Parameters read of one field: a file name of 255 characters in continuations needs some ten."""

SHORT = 100
"""Characters of a field that is remembered: all mail says ``text/plain; charset=utf-8``."""

_PARAMETER = re.compile(
    r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)(?:"|\Z)|([^;]*+))', re.DOTALL
)
_ESCAPED = re.compile(r'\\(["\\])')
_COMMENT_AT_END = re.compile(r"\([^()]*+\)\s*+\Z")
_EXTENDED = re.compile(r"([^*]+)\*(?:(\d{1,4})(\*)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field such as Content-Type."""

    value: str
    """What stands before the parameters, lower-case."""

    parameters: Mapping[str, str]
    """Decoded values by lower-case name; the first of equal names. Those in the form of RFC 2231
    have names that end in ``*``, so that ``filename`` and ``filename*`` can be told apart."""

    def get(self, name: str) -> str:
        """The parameter in RFC 2231 form if there is one, else in plain form, else ``""``."""
        return self.parameters.get(name + "*") or self.parameters.get(name, "")


def parse_field(value: str) -> Field:
    """Parse an unfolded field in linear time, whatever it holds."""
    return _parse_short(value) if len(value) <= SHORT else _parse(value)


def _parse(value: str) -> Field:
    head, _, _ = value.partition(";")
    word = head.split(None, 1)[0].lower() if head.strip() else ""
    parameters: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[bool, str]]] = {}
    for match in islice(_PARAMETER.finditer(value), PARAMETERS):
        name, text = match[1].lower(), _unquote(match)
        if form := _EXTENDED.fullmatch(name):
            is_encoded = form[2] is None or form[3] is not None
            extended.setdefault(form[1], {}).setdefault(int(form[2] or 0), (is_encoded, text))
        else:
            parameters.setdefault(name, decode_words(text) if "=?" in text else text)
    for name, pieces in extended.items():
        parameters[name + "*"] = _join(pieces)
    return Field(value=word, parameters=parameters)


_parse_short = lru_cache(maxsize=1024)(_parse)


def _unquote(match: re.Match[str]) -> str:
    if match[2] is not None:
        # Only these two are escapes in practice: old programs write C:\work\list.txt unescaped.
        return _ESCAPED.sub(r"\1", match[2])
    return _COMMENT_AT_END.sub("", match[3]).strip()


def _join(pieces: Mapping[int, tuple[bool, str]]) -> str:
    """Join continuations in the order of their numbers (RFC 2231 §3), over gaps too."""
    charset, data = "", b""
    for _, (is_encoded, text) in sorted(pieces.items()):
        if is_encoded and data == b"" and text.count("'") >= 2:
            charset, _language, text = text.split("'", 2)
        encoded = text.encode()
        data += unquote_to_bytes(encoded) if is_encoded else encoded
    joined = decode(data, charset)
    # Against RFC 2231, and common: encoded words cut into continuations.
    return decode_words(joined) if "=?" in joined else joined
