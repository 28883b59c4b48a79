"""No disagreement between mail programs hides a part: each case has words that must be found.

Each message is written as an attacker would write it: honest to one reader, and something else to
another. The words go through the whole judge: parsed, looked at, scanned.
"""

import asyncio
import base64
import binascii
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.extract.sniff import Sniffer
from mailguard.mail.message import Limits, Message, parse
from mailguard.mail.part import AMBIGUITIES
from mailguard.mail.union import EXTRAS
from mailguard.policy.directory import build_directory
from mailguard.policy.judge import judge
from mailguard.policy.settings import Policy
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.rule import parse_rule
from mailguard.testing import SCHOOL, transaction

WORDS = "The marigold knocks seven times at noon behind the old gate."

POLICY = Policy(directory=build_directory(SCHOOL))

RULE = """
symbol = "CONDUCT_SAMPLE"
category = "conduct"
level = 2
status = "stable"
says = "The writer says the words of these tests."
clauses = []
why = "No other text has them."
[match]
in = ["subject", "body", "attachment", "filename"]
within = "sentence"
all = ["marigold knocks seven"]
[[examples.match]]
text = "the marigold knocks seven times"
[[examples.match]]
text = "a marigold knocks seven doors"
[[examples.no_match]]
text = "joy"
[[examples.no_match]]
text = "sorrow"
"""

TOP = "From: ana@elmpark.example\nTo: ben@elmpark.example\nSubject: Gate\nMIME-Version: 1.0\n"
MIXED = TOP + "Content-Type: multipart/mixed; boundary=a\n"
HELLO = "--a\nContent-Type: text/plain\n\nHello.\n"


def b64(text: str | bytes = WORDS) -> str:
    data = text.encode() if isinstance(text, str) else text
    return base64.encodebytes(data).decode().rstrip()


CODED = f"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n{b64()}\n"
QUOTED = "".join(f"={ord(letter):02X}" if letter.isalpha() else letter for letter in WORDS)
UUENCODED = "".join(
    binascii.b2a_uu(WORDS.encode()[at : at + 45]).decode() for at in range(0, len(WORDS), 45)
)
YENC = bytes((code + 42) % 256 for code in WORDS.encode()).decode("latin-1")


def binhex(text: str) -> str:
    """`text` as a file, without checksums, which nobody verifies."""
    data = text.encode()
    packed = bytes([5]) + b"a.txt" + bytes(11) + len(data).to_bytes(4) + bytes(6) + data
    ours = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
    theirs = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    letters = base64.b64encode(packed).rstrip(b"=")
    return letters.translate(bytes.maketrans(theirs, ours)).decode()


def case(name: str, text: str, defect: str) -> object:
    """One message, written with LF, and what tells of it."""
    return pytest.param(text, defect, id=name)


CASES = [
    case(
        "two types, a picture first",
        f"{TOP}Content-Type: image/png\nContent-Type: text/plain\n\n{WORDS}\n",
        "two_content_types",
    ),
    case(
        "two types, a multipart second",
        f"{TOP}Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=a\n\n"
        f"--a\n{CODED}--a--\n",
        "two_content_types",
    ),
    case(
        "two types of a part",
        f"{MIXED}\n{HELLO}--a\nContent-Type: application/x-empty\n{CODED}--a--\n",
        "two_content_types",
    ),
    case(
        "two encodings, base64 second",
        f"{TOP}Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\n{b64()}\n",
        "two_transfer_encodings",
    ),
    case(
        "two encodings, base64 first",
        f"{TOP}Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n\n{WORDS}\n",
        "two_transfer_encodings",
    ),
    case(
        "two encodings, quoted-printable second",
        f"{TOP}Content-Transfer-Encoding: 7bit\n"
        f"Content-Transfer-Encoding: quoted-printable\n\n{QUOTED}\n",
        "two_transfer_encodings",
    ),
    case(
        "two boundaries",
        f"{TOP}Content-Type: multipart/mixed; boundary=x; boundary=a\n\n"
        f"--x\n\nHello.\n--x--\n\n--a\n{CODED}--a--\n",
        "two_boundaries",
    ),
    case(
        "two boundaries, one in the form of RFC 2231",
        f"{TOP}Content-Type: multipart/mixed; boundary=x; boundary*=utf-8''a\n\n"
        f"--x\n\nHello.\n--x--\n\n--a\n{CODED}--a--\n",
        "two_boundaries",
    ),
    case(
        "boundary in an encoded word",
        f'{TOP}Content-Type: multipart/mixed; boundary="=?us-ascii?q?a?="\n\n'
        f"--=?us-ascii?q?a?=\n{CODED}--=?us-ascii?q?a?=--\n",
        "lost_boundary",
    ),
    case(
        "boundary with a comment",
        f"{TOP}Content-Type: multipart/mixed; boundary=a(b)c\n\n--a\n{CODED}--a--\n",
        "lost_boundary",
    ),
    case(
        "boundary that is missing",
        f"{TOP}Content-Type: multipart/mixed\n\n--a\n{CODED}--a--\n",
        "lost_boundary",
    ),
    case(
        "boundary that is another",
        f"{TOP}Content-Type: multipart/mixed; boundary=x\n\n--a\n{CODED}--a--\n",
        "lost_boundary",
    ),
    case(
        "boundary without a semicolon",
        f"{TOP}Content-Type: multipart/mixed boundary=a\n\n--a\n{CODED}--a--\n",
        "lost_boundary",
    ),
    case(
        "part behind the last delimiter",
        f"{MIXED}\n{HELLO}--a--\n\n--a\n{CODED}--a--\n",
        "stray_delimiter",
    ),
    case(
        "delimiter behind a space",
        f"{MIXED}\n--a\nContent-Type: image/png\n\nx\n --a\n{CODED}--a--\n",
        "stray_delimiter",
    ),
    case(
        "delimiter with more on its line",
        f"{MIXED}\n--a\nContent-Type: image/png\n\nx\n--a; x\n{CODED}--a--\n",
        "stray_delimiter",
    ),
    case(
        "delimiter with NUL",
        f"{MIXED}\n--a\nContent-Type: image/png\n\nx\n--a\0\n{CODED}--a--\n",
        "stray_delimiter",
    ),
    case(
        "delimiter that closes, with more on its line",
        f"{MIXED}\n--a\nContent-Type: image/png\n\nx\n--a--x\n\n{WORDS}\n--a--\n",
        "stray_delimiter",
    ),
    case(
        "NUL before a delimiter",
        f"{MIXED}\n--a\nContent-Type: image/png\n\nx\n-\0-a\n{CODED}--a--\n",
        "nul_bytes",
    ),
    case(
        "NUL in the name of a field",
        f"{TOP}Content-Transfer-En\0coding: base64\n\n{b64()}\n",
        "broken_header",
    ),
    case(
        "space before the colon",
        f"{TOP}Content-Transfer-Encoding : base64\n\n{WORDS}\n",
        "broken_header",
    ),
    case(
        "header line without a colon",
        f"{TOP}Hello\nContent-Transfer-Encoding: base64\n\n{b64()}\n",
        "broken_header",
    ),
    case(
        "header line without a colon before a multipart",
        f"{TOP}Hello\nContent-Type: multipart/mixed; boundary=a\n\n--a\n{CODED}--a--\n",
        "broken_header",
    ),
    case(
        "blank line before the header of a part",
        f"{MIXED}\n{HELLO}--a\n\n{CODED}--a--\n",
        "broken_header",
    ),
    case("blank line before the header", f"\n{TOP}{CODED}", "broken_header"),
    case(
        "encoding in quotes",
        f'{TOP}Content-Transfer-Encoding: "base64"\n\n{WORDS}\n',
        "odd_transfer_encoding",
    ),
    case(
        "encoding with a comment",
        f"{TOP}Content-Transfer-Encoding: (x) base64\n\n{WORDS}\n",
        "odd_transfer_encoding",
    ),
    case(
        "encoding with a parameter",
        f"{TOP}Content-Transfer-Encoding: base64; x=y\n\n{WORDS}\n",
        "odd_transfer_encoding",
    ),
    case(
        "encoding in an encoded word",
        f"{TOP}Content-Transfer-Encoding: =?us-ascii?q?base64?=\n\n{b64('Hi. ' + WORDS)}\n",
        "odd_transfer_encoding",
    ),
    case(
        "encoding between comments",
        f"{TOP}Content-Transfer-Encoding: ba(x)se64\n\n{b64('Hi. ' + WORDS)}\n",
        "odd_transfer_encoding",
    ),
    case(
        "multipart in base64",
        f"{MIXED}Content-Transfer-Encoding: base64\n\n{b64(f'--a{chr(10)}{CODED}--a--')}\n",
        "encoded_container",
    ),
    case(
        "enclosed message that is not in base64",
        f"{MIXED}\n{HELLO}--a\nContent-Type: message/rfc822\n"
        f"Content-Transfer-Encoding: base64\n\nSubject: x\n\n{WORDS}\n--a--\n",
        "encoded_container",
    ),
    case(
        "type with a comment",
        f"{TOP}Content-Type: multipart/(x)mixed; boundary=a\n\n--a\n{CODED}--a--\n",
        "odd_content_type",
    ),
    case(
        "type in an encoded word",
        f"{TOP}Content-Type: =?us-ascii?q?text/plain?=\nContent-Disposition: inline\n\n{WORDS}\n",
        "odd_content_type",
    ),
    case(
        "padding inside base64",
        f"{TOP}Content-Transfer-Encoding: base64\n\nSGVsbG8=\nx{b64()}\n",
        "misaligned_base64",
    ),
    case(
        "base64 behind letters of another line",
        f"{TOP}Content-Transfer-Encoding: base64\n\nabc\n{b64()}\n",
        "misaligned_base64",
    ),
    case(
        "two names of one file",
        f"{MIXED}\n--a\nContent-Type: application/octet-stream; name=x.exe\n"
        f'Content-Disposition: attachment; filename="{WORDS[:-1]}.txt"; filename*=x.pdf\n\nx\n'
        "--a--\n",
        "two_extensions",
    ),
]
"""Mail programs differ about these, so they are ambiguous as well as found."""

FOUND = [
    case("text before the first delimiter", f"{MIXED}\n{WORDS}\n{HELLO}--a--\n", "text_outside"),
    case("text behind the last delimiter", f"{MIXED}\n{HELLO}--a--\n\n{WORDS}\n", "text_outside"),
    case(
        "base64 in text",
        f"{TOP}\nHello.\n\n{b64()}\n\nBye.\n",
        "hidden_base64",
    ),
    case(
        "base64 in text, from the second letter on",
        f"{TOP}\nHello.\n\nx{b64()}\n",
        "hidden_base64",
    ),
    case(
        "base64 in base64",
        f"{TOP}Content-Transfer-Encoding: base64\n\n{b64('Hello.' + chr(10) + b64())}\n",
        "hidden_base64",
    ),
    case(
        "base64 in base64 in text",
        f"{TOP}\n{b64('Hello, once more.' + chr(10) + b64())}\n",
        "hidden_base64",
    ),
    case(
        "text in an address in a page",
        f"{TOP}Content-Type: text/html\n\n"
        f'<iframe src="data:text/html;base64,{b64().replace(chr(10), "")}"></iframe>\n',
        "hidden_base64",
    ),
    case(
        "blank line in the header, with a space",
        f"{TOP}X: y\n \nNote: {WORDS}\nContent-Type: image/png\n\nx\n",
        "text_in_header",
    ),
    case("quoted letters in text", f"{TOP}\n{QUOTED}\n", "hidden_quoted_printable"),
    case(
        "uuencode in text",
        f"{TOP}\nHello.\n\nbegin 644 a.txt\n{UUENCODED}`\nend\n",
        "uuencoded",
    ),
    case(
        "uuencode as an encoding",
        f"{TOP}Content-Type: application/octet-stream\nContent-Transfer-Encoding: x-uuencode\n\n"
        f"begin 644 a.txt\n{UUENCODED}`\nend\n",
        "uuencoded",
    ),
    case(
        "yEnc in text",
        f"{TOP}\n=ybegin line=128 size={len(WORDS)} name=a.txt\n{YENC}\n=yend size=1\n",
        "yencoded",
    ),
    case(
        "BinHex in text",
        f"{TOP}\n(This file must be converted with BinHex 4.0)\n\n:{binhex(WORDS)}:\n",
        "binhex",
    ),
    case(
        "part in a plain text",
        f"{TOP}\nHello.\n\n--x\n{CODED}--x--\n",
        "quoted_part",
    ),
    case(
        "words among base64",
        f"{TOP}Content-Transfer-Encoding: base64\n\nSGVsbG8=\n\n{WORDS}\n",
        "text_in_base64",
    ),
    case(
        "piece of a message",
        f"{TOP}Content-Type: message/partial; id=x; number=1; total=2\n\nSubject: x\n{CODED}",
        "opaque_content",
    ),
    case(
        "signed message within its signature",
        f"{TOP}Content-Type: application/pkcs7-mime; smime-type=signed-data\n"
        f"Content-Transfer-Encoding: base64\n\n{b64(b'0' + bytes(40) + CODED.encode())}\n",
        "opaque_content",
    ),
    case(
        "UTF-16 declared as UTF-8",
        f"{TOP}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
        f"{b64(WORDS.encode('utf-16-le'))}\n",
        "other_charset",
    ),
    case(
        "other name of a file",
        f"{MIXED}\n--a\nContent-Type: text/plain; name={WORDS.replace(' ', '_')[:-1]}.txt\n"
        "Content-Disposition: attachment; filename=x.txt\n\nx\n--a--\n".replace(
            WORDS.replace(" ", "_")[:-1], f'"{WORDS[:-1]}"'
        ).replace('".txt', '.txt"'),
        "other_filename",
    ),
]


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    """One rule, for the words."""
    rule = parse_rule("rules/conduct/CONDUCT_SAMPLE.toml", RULE, {})
    return build_ruleset([rule], school=SCHOOL, detectors=[])


def read(text: str) -> Message:
    """Parse `text`, written with LF, as a message with CRLF."""
    return parse(text.replace("\n", "\r\n").encode("latin-1"))


def is_found(message: Message, ruleset: Ruleset) -> bool:
    """Whether the rule finds the words, in the whole judge."""
    extracts = asyncio.run(Sniffer().extract(message))
    judgement = judge(transaction(), message, extracts, ruleset, POLICY)
    assert is_ambiguous(message) == (
        "mime_ambiguous" in {unscanned.reason for unscanned in judgement.report.unscanned}
    )
    return bool(judgement.report.findings)


def is_ambiguous(message: Message) -> bool:
    return "mime_ambiguous" in {unread.reason for unread in message.unread}


@pytest.mark.parametrize(("text", "defect"), CASES)
def test_what_mail_programs_differ_about_is_found_and_ambiguous(
    ruleset: Ruleset, text: str, defect: str
) -> None:
    message = read(text)

    assert is_found(message, ruleset)
    assert is_ambiguous(message)
    assert defect in {each.name for each in message.defects} & AMBIGUITIES


@pytest.mark.parametrize(("text", "defect"), FOUND)
def test_what_is_hidden_is_found(ruleset: Ruleset, text: str, defect: str) -> None:
    message = read(text)

    assert is_found(message, ruleset)
    assert not is_ambiguous(message)
    assert defect in {each.name for each in message.defects}


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        pytest.param(
            TOP.replace("\n", "\r\n") + f"X: y\nContent-Type: image/png\r\n\r\n{WORDS}\r\n",
            "bare_lf",
            id="field behind a bare LF",
        ),
        pytest.param(
            TOP.replace("\n", "\r\n") + f"X: y\rContent-Type: image/png\r\n\r\n{WORDS}\r\n",
            "bare_cr",
            id="field behind a bare CR",
        ),
    ],
)
def test_line_ends_hide_nothing(ruleset: Ruleset, raw: str, defect: str) -> None:
    message = parse(raw.encode())

    assert is_found(message, ruleset)
    assert is_ambiguous(message)
    assert defect in {each.name for each in message.defects}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{TOP}\nHello.\n", id="plain"),
        pytest.param(
            f"{MIXED}\nThis is a multi-part message in MIME format.\n\n{HELLO}--a--\n\n",
            id="usual text before the first part",
        ),
        pytest.param(f"{MIXED}\n{HELLO}", id="never closed"),
        pytest.param(
            f'{TOP}Content-Type: text/plain; charset="utf-8" (x)\n\nHello.\n',
            id="comment that changes nothing",
        ),
        pytest.param(f"{TOP}Content-Transfer-Encoding: 8BIT;\n\nHello.\n", id="8bit with more"),
        pytest.param(
            f"{TOP}Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\n\nHello.\n",
            id="two encodings that are none",
        ),
        pytest.param(
            f"{TOP}\nHello.\n\n-- \nAna\nhttps://x.example/?id=41&k=6162&q=4a-7zz&r=52x\n"
            + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
            + "\n-----BEGIN PGP SIGNATURE-----\n\n"
            + base64.encodebytes(bytes(range(128, 256))).decode()
            + "-----END PGP SIGNATURE-----\n",
            id="what looks coded",
        ),
        pytest.param(
            f"{TOP}Content-Type: multipart/mixed; boundary=a\n\n--a\n"
            "Content-Type: multipart/alternative; boundary=ab\n\n--ab\n\nHello.\n--ab--\n--a--\n",
            id="boundary that begins another",
        ),
    ],
)
def test_ordinary_mail_has_no_other_view(text: str) -> None:
    message = read(text)

    assert [] == [part.number for part in message.parts if "~" in part.number]
    assert () == message.unread


def test_what_other_readers_see_has_the_number_of_the_part_it_is_at() -> None:
    message = read(f"{MIXED}\n{HELLO}--a\n\n{CODED}--a--\n")

    numbers = [part.number for part in message.parts]
    assert numbers[:2] == ["1", "2"]
    assert [number for number in numbers if number.startswith("2~")] == numbers[2:]


def test_what_is_too_much_to_read_in_every_way_is_ambiguous() -> None:
    text = MIXED + "\n" + "".join(f"--a x\n\nHello {n}.\n" for n in range(2 * EXTRAS))

    message = read(text)

    assert is_ambiguous(message)
    assert "too_many_readings" in {defect.name for defect in message.defects}
    assert len(message.parts) <= EXTRAS + 2


LINES = st.lists(
    st.sampled_from(
        [
            *("Content-Type: multipart/mixed; boundary=a", "Content-Type : text/html"),
            *("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64"),
            *(
                "Content-Transfer-Encoding: =?u?q?base64?=",
                "Content-Disposition: x; name=a; name=b",
            ),
            *("--a", "--a--", " --a", "--a x", "--b", "", "", "nothing", "Subject\0: x"),
            *(b64(), "begin 644 x", UUENCODED.strip(), "=ybegin name=x", "=yend", QUOTED),
            *("(This file must be converted with BinHex 4.0)", f":{binhex(WORDS)}:"),
        ]
    ),
    max_size=30,
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.binary(max_size=8), st.integers(0, 900))
@settings(max_examples=150)
def test_whatever_the_lines_nothing_raises_and_numbers_are_unique(
    lines: list[str], end: str, junk: bytes, at: int
) -> None:
    raw = end.join(lines).encode()

    message = parse(raw[:at] + junk + raw[at:], Limits(depth=4, parts=20, header_bytes=200))

    numbers = [part.number for part in message.parts]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"A: b\n\n" + b"--x\nContent-Type: a/b\n\n" * 40_000, id="part starts"),
        pytest.param(MIXED.encode() + b"\n" + b" --a\n\nx\n" * 80_000, id="stray delimiters"),
        pytest.param(b"A: b\n\n" + b"begin 644 x\n" * 80_000, id="uuencode beginnings"),
        pytest.param(b"A: b\n\n" + b"=ybegin name=x\n" * 60_000, id="yEnc beginnings"),
        pytest.param(b"A: b\n\n" + b"QUJD" * 300_000, id="one long run"),
        pytest.param(b"A: b\n\n" + (b"QUJD" * 19 + b"\n") * 14_000, id="many lines"),
        pytest.param(
            b"A: b\n\n(This file must be converted with BinHex\n:" + b"!" * 10**6,
            id="BinHex without an end",
        ),
        pytest.param(b"A: b\n\n" + b"=6b=69" * 200_000, id="quoted letters"),
        pytest.param(b"\n" * 10**6 + b"Content-Type: a/b", id="blank lines"),
        pytest.param(b"Content-Type: " + b"(" * 200_000 + b"\n\nx", id="comments"),
        pytest.param(
            b"Content-Type: text/plain" + b"; boundary=x" * 20_000 + b"\n\nx", id="boundaries"
        ),
        pytest.param(b"Content-Transfer-Encoding: base64\n\n" + b"A\n" * 500_000, id="short lines"),
        pytest.param(
            b"".join(
                b"Content-Type: multipart/mixed; boundary=b%d; boundary=c%d\n\n--b%d\n" % (n, n, n)
                for n in range(30)
            )
            + b"Hello.\n" * 150_000,
            id="two boundaries on each level",
        ),
    ],
)
def test_a_bomb_is_read_in_every_way_in_two_seconds(raw: bytes) -> None:
    start = process_time()
    parse(raw)

    assert process_time() - start < 2
