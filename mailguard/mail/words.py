"""Read field values: folded lines, raw 8-bit bytes, encoded words (RFC 2047), broken ones too."""

import binascii
import re

from mailguard.mail.charset import decode
from mailguard.mail.transfer import decode_base64

# Lenient: a charset with a language (RFC 2231 §5), spaces inside, no end. Every repetition stops
# at the next question mark, so matching is linear.
_WORD = re.compile(r"=\?([^?*\s]{1,60}+)(?:\*[^?\s]*+)?\?([bBqQ])\?([^?]*+)(?:\?=?|\Z)")
_LINE_ENDS = str.maketrans({"\r": None, "\n": " "})


def unfold(value: bytes) -> str:
    """Make one line of a field's value, 8-bit bytes read, encoded words left as they are."""
    # Nearly all are ASCII; the check that they are is most of what reading a header costs.
    text = value.decode("ascii") if value.isascii() and b"\0" not in value else decode(value, "")
    text = text.strip()
    if "\n" in text or "\r" in text:
        return text.replace("\r", "").replace("\n", "")
    return text


def decode_header(value: str) -> str:
    """Decode the encoded words in an unfolded value; the text returned has no line ends."""
    return decode_words(value).translate(_LINE_ENDS) if "=?" in value else value


def decode_words(text: str) -> str:
    """Replace each encoded word in `text`; white space between two of them is not text.

    Neighbours in one charset are decoded together: some programs cut within a letter.
    """
    pieces: list[str] = []
    charset, encoded, done = "", b"", 0
    for word in _WORD.finditer(text):
        between = text[done : word.start()]
        if between.strip() or word[1].lower() != charset:
            pieces.append(decode(encoded, charset))
            charset, encoded = word[1].lower(), b""
        if between.strip() or not done:
            pieces.append(between)
        encoded += _decode_word(word[2], word[3])
        done = word.end()
    return "".join([*pieces, decode(encoded, charset), text[done:]])


def _decode_word(encoding: str, payload: str) -> bytes:
    data = payload.encode()
    if encoding in "bB":
        return decode_base64(data)[0]
    return binascii.a2b_qp(data, header=True)
