"""Where what an author wrote ends, and a signature or disclaimer begins that goes under every mail.

It is still read like all text: whoever types such a line by hand writes on below it.
"""

import re

_TALL = 15
"""Lines that may stand below "Kind regards": a name, an office, a school's address, a motto."""

_DELIMITER = r"(?:--|__|—)[ \t]*|[-_*=]{10,}[ \t]*"
_DEVICE = (
    r"(?:sent|posted|written) (?:from|via|using|with|on) (?:my |the |a |an |outlook|yahoo|gmail"
    r"|mail|proton|aol|blackberry|samsung|huawei|iphone|ipad|android|windows|hotmail|tutanota|mobile).*"
    r"|get outlook for (?:ios|android|mac|windows).*|get the app.*|envoyé de mon .*"
    r"|(?:yahoo mail|outlook|gmail|aol)(?: on|:| for) .*"
)
_DISCLAIMER = (
    r"(?:confidentiality|disclaimer|legal|privacy)(?: notice| statement| note)?[ \t]*[:.-]?[ \t]*"
    r"|(?:confidentiality|disclaimer|legal|important)(?: notice| statement| note)?[ \t]*[:-].*"
    r"|[*\s]*(?:the (?:information|content|contents) (?:contained )?(?:in|of) )?this"
    r" (?:e-?mail|message|communication|transmission)\b.*(?:confidential|privileged"
    r"|intended (?:only|solely|for)|private|personal to|addressee).*"
    r"|.*\bif you (?:are not the (?:intended|named)|have received this|received this (?:e-?mail"
    r"|message) in error).*"
    r"|.*\b(?:consider|think of) the environment before (?:printing|you print).*"
    r"|(?:registered (?:office|charity|in england|company)|company (?:number|registration)).*"
)
_FAREWELL = (
    r"(?:(?:with )?(?:kind(?:est)?|best|warm(?:est)?|many)?[ \t]*(?:regards|wishes|thanks)"
    r"|thanks(?: again| so much| very much)?|thank you|cheers|yours(?: (?:sincerely|faithfully"
    r"|truly|ever))?|sincerely|respectfully|all the best|best|love|lots of love|take care|kr|br)"
    r"[ \t]*[,.!]*[ \t]*"
)
_FOR_GOOD = re.compile(rf"[ \t>]*+(?:{_DELIMITER}|{_DEVICE}|{_DISCLAIMER})", re.IGNORECASE)
_AT_THE_END = re.compile(rf"[ \t>]*+{_FAREWELL}", re.IGNORECASE)

_LONGEST = 1000
"""Characters at the beginning of a line that tell what it is."""


def find_closing(text: str) -> int:
    """Return where in `text`, whose line ends are ``\\n``, a signature or disclaimer begins that
    goes on to the end; the length of `text` if there is none."""
    lines = text.split("\n")
    written = sum(1 for line in lines if line.strip())
    at = 0
    for line in lines:
        head = line[:_LONGEST].rstrip()
        if head:
            if _FOR_GOOD.fullmatch(head):
                return at
            if written <= _TALL and _AT_THE_END.fullmatch(head):
                return at
            written -= 1
        at += len(line) + 1
    return len(text)
