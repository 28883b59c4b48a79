"""Files in which schools and authorities exchange pupils' records: CTF, ATF, census, attainment.

Catches: their file names (authority, establishment, kind, destination, number), in archives too;
files that begin as such XML does, whatever they are called.
Misses: a renamed file in an archive.
False positives: an empty template of a supplier.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Part
from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.example import compose
from mailguard.scan.finding import SPAN_LIMIT, Category, Finding, Leak, Level, Span, Symbol
from mailguard.scan.school import School

CENSUS_FILE = Symbol(
    name="CENSUS_FILE",
    category=Category.PERSONAL_DATA,
    level=Level.SERIOUS,
    says="The message carries a file of pupils' records that belongs on the schools' own exchange.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.MANY,
)
SYMBOLS = (CENSUS_FILE,)

EXAMPLES = (
    match(compose(text="Here.", filename="8012000_CTF_8013000_001.xml", attachment="x")),
    match(compose(text="Here.", filename="8012000_SC1_801LL26_002.xml", attachment="x")),
    match(compose(attachment='<?xml version="1.0"?>\n<CTfile><Header/></CTfile>\n')),
    no_match("The CTF for Cara is on School to School.", why="talk about one"),
    no_match(compose(filename="8012000_report_001.xml", attachment="x"), why="no such kind"),
    no_match(compose(attachment="<p>How to read &lt;CTfile&gt;</p>"), why="about the format"),
)

# LLLEEEE_KIND_LLLEEEE_nnn.xml; LLLL is an authority, XXXXXXX and MMMMMMM an unknown school and one
# outside the state sector (DfE, common transfer file specification: file names). Kinds: transfers
# (CTF, ATF, ADT), census of school, workforce, alternative provision and referral units,
# assessments of the key stages, phonics and the early years, admissions.
_KIND = r"(?:ctf|atf|adt|sc\d?|swf|ap|pru|ks[1-5]\w?|phs|pho|eyp|eyc|fsp|tac|kst|utf|asl|ees|asf)"
_NAME = rf"\b\d{{3}}[\dl]{{4}}_{_KIND}_(?:\d{{3}}[\w]{{2,5}}|x{{7}}|m{{7}})_\d{{1,4}}\.\w{{3}}\b"
_GATE = Engine([_NAME])
_PATTERN = re.compile(_NAME, re.ASCII)

_ROOT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,500}?-->\s*){0,5}"
    rb"<(?:CTfile|ATfile|ADTfile|Message>\s*<Header>\s*<CollectionDetails)\b",
    re.DOTALL | re.IGNORECASE,
)
_HEAD = 4096


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all such files; its count is that of files."""
    spans = [
        span
        for segment in view.segments
        if segment.where is Where.FILENAME
        for span in _names_in(segment)
    ]
    named = {span.part for span in spans}
    roots = [
        part.number
        for part in view.message.parts
        if part.number not in named and part.is_attachment and _is_record(part)
    ]
    if spans or roots:
        yield Finding(
            symbol=CENSUS_FILE,
            level=CENSUS_FILE.level,
            part=spans[0].part if spans else roots[0],
            where=Where.FILENAME if spans else None,
            count=len(spans) + len(roots),
            spans=tuple(spans[:SPAN_LIMIT]),
        )


def _names_in(segment: Segment) -> Iterator[Span]:
    text = segment.folded.text
    if not _GATE.first_ends(encode(text)):
        return
    for found in _PATTERN.finditer(text):
        start, end = segment.folded.span(*found.span())
        yield Span(part=segment.part, where=segment.where, start=start, end=end)


def _is_record(part: Part) -> bool:
    head = bytes(part.data[:_HEAD])
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "replace").encode("ascii", "replace").lstrip(b"?")
    return bool(_ROOT.match(head))
