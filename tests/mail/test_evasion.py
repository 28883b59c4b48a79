"""More ways past a filter that goes by one reading: the words are found in each.

Beside test_union.py, whose cases are about what mail programs differ about.
"""

import pytest

from mailguard.extract.item import About
from mailguard.extract.reading import read_file
from mailguard.extract.sniff import sniff
from mailguard.mail.attachment import Extract, is_file, needs_reader
from mailguard.mail.message import Message
from mailguard.mail.text import look
from mailguard.scan.registry import Ruleset
from mailguard.scan.scanner import scan
from mailguard.testing import transaction
from mailguard.testing.files import winmail

from .test_union import HELLO, MIXED, TOP, WORDS, b64, binhex, read, ruleset

__all__ = ["ruleset"]

WIDE = b64(WORDS.encode("utf-16"))
PLAIN = f"Content-Type: text/plain\n\n{WORDS}\n"

CASES = {
    "a message in a message, in UTF-16": (
        f"{MIXED}\n{HELLO}--a\nContent-Type: message/rfc822\n\nSubject: inside\n"
        f"Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n{WIDE}\n"
        "--a--\n"
    ),
    "a message in a message in a message": (
        f"{MIXED}\n--a\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n"
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\n{PLAIN}--b--\n--a--\n"
    ),
    "the subject of a message in a message": (
        f"{MIXED}\n{HELLO}--a\nContent-Type: message/rfc822\n\nSubject: {WORDS}\n\nHello.\n--a--\n"
    ),
    "a body that is said to be elsewhere": (
        f"{TOP}Content-Type: message/external-body; access-type=URL; URL=x\n\n"
        f"Content-Type: text/plain\n\n{WORDS}\n"
    ),
    "the second piece of a message": (
        f"{TOP}Content-Type: message/partial; id=x; number=2; total=2\n\n{WORDS}\n"
    ),
    "a boundary that another begins with, outside": (
        f"{MIXED}\n--a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n{PLAIN}--ab--\n--a--\n"
    ),
    "a boundary that another begins with, inside": (
        f"{TOP}Content-Type: multipart/mixed; boundary=ab\n\n"
        f"--ab\nContent-Type: multipart/mixed; boundary=a\n\n--a\n{PLAIN}--a--\n--ab--\n"
    ),
    "the same boundary inside": (
        f"{MIXED}\n--a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n{PLAIN}--a--\n"
    ),
    "a boundary with spaces behind it": (
        f'{TOP}Content-Type: multipart/mixed; boundary="a  "\n\n--a\n{PLAIN}--a--\n'
    ),
    "a delimiter with white space behind it": f"{MIXED}\n{HELLO}--a \t \n{PLAIN}--a-- \n",
    "an empty boundary": f'{TOP}Content-Type: multipart/mixed; boundary=""\n\n--\n{PLAIN}----\n',
    "a boundary of 300 letters": (
        f"{TOP}Content-Type: multipart/mixed; boundary={'b' * 300}\n\n"
        f"--{'b' * 300}\n{PLAIN}--{'b' * 300}--\n"
    ),
    "no end, inside and outside": (
        f"{MIXED}\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n{PLAIN}"
    ),
    "an inner multipart that the outer one ends": (
        f"{MIXED}\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--a\n{PLAIN}--a--\n"
    ),
    "an encoding on the next line": f"{TOP}Content-Transfer-Encoding:\n base64\n\n{b64()}\n",
    "a boundary on the third line": (
        f"{TOP}Content-Type: multipart/mixed\n\t;\n\tboundary=a\n\n--a\n{PLAIN}--a--\n"
    ),
    "a field in capitals": f"{TOP}CONTENT-TRANSFER-ENCODING: BASE64\n\n{b64()}\n",
    "bytes beyond ASCII in the header": (
        f"{TOP}X-Gr\xfc\xdfe: \xff\xfe\nContent-Type: text/plain; charset=\xe9\n\n{WORDS}\n"
    ),
    "a subject in raw bytes": TOP.replace("Gate", f"\xe9 {WORDS}") + "\nHello.\n",
    "a subject in two encoded words": (
        TOP.replace("Gate", f"=?utf-8?q?{WORDS[:3]}?=\n =?utf-8?b?{b64(WORDS[3:40])}?=")
        + "\nHello.\n"
    ),
    "a file name in pieces of two kinds": (
        f"{MIXED}\n--a\nContent-Type: application/octet-stream\nContent-Disposition: attachment;\n"
        " filename*0*=utf-8''The%20marigold%20; filename*1=\"knocks seven.bin\"\n\nx\n--a--\n"
    ),
    "a file name in encoded words within RFC 2231": (
        f"{MIXED}\n--a\nContent-Type: application/octet-stream\nContent-Disposition: attachment;\n"
        ' filename*0="=?utf-8?q?The_marigold_knocks";\n filename*1="_seven?=.bin"\n\nx\n--a--\n'
    ),
    "words behind the padding of base64": (
        f"{TOP}Content-Transfer-Encoding: base64\n\nSGVsbG8=\n{WORDS}\n"
    ),
    "words on the first line of base64": (
        f"{TOP}Content-Transfer-Encoding: base64\n\n{WORDS}\nSGVsbG8=\n"
    ),
    "words and nothing else as base64": f"{TOP}Content-Transfer-Encoding: base64\n\n{WORDS}\n",
    "base64 with signs between the letters": (
        f"{TOP}Content-Transfer-Encoding: base64\n\n{'!'.join(b64().replace(chr(10), ''))}\n"
    ),
    "base64 in lines of one letter": (
        f"{TOP}Content-Transfer-Encoding: base64\n\n{chr(10).join(b64().replace(chr(10), ''))}\n"
    ),
    "letters apart at soft line ends": (
        f"{TOP}Content-Transfer-Encoding: quoted-printable\n\n" + "=\n".join(WORDS) + "\n"
    ),
    "quoted-printable in small letters": (
        f"{TOP}Content-Transfer-Encoding: quoted-printable\n\n"
        + "".join(f"={ord(letter):02x}" for letter in WORDS)
        + "\n"
    ),
    "two messages in one, by a blank header": f"\n\n{TOP}{PLAIN}",
    "BinHex between sentences": (
        f"{TOP}\nHello.\n(This file must be converted with BinHex 4.0)\n:{binhex(WORDS)}:\nBye.\n"
    ),
    "a plain text as a page": f"{TOP}Content-Type: text/html\n\n{WORDS}\n",
    "a page that the message ends in": f"{TOP}Content-Type: text/html\n\n<p>{WORDS}<a href='",
    "text declared as a picture": f"{TOP}Content-Type: image/png\n\n{WORDS}\n",
    "text in a picture's file name": (
        f"{MIXED}\n--a\nContent-Type: image/png; name=a.png\n\n{WORDS}\n--a--\n"
    ),
    "a winmail.dat that says something else": (
        f"{MIXED}\n{HELLO}--a\nContent-Type: application/ms-tnef; name=winmail.dat\n"
        f"Content-Transfer-Encoding: base64\n\n{b64(winmail(WORDS))}\n--a--\n"
    ),
    "a winmail.dat that is called a text": (
        f"{MIXED}\n{HELLO}--a\nContent-Type: text/plain; name=a.txt\n"
        f"Content-Transfer-Encoding: base64\n\n{b64(winmail(WORDS))}\n--a--\n"
    ),
    "a winmail.dat without a name": (
        f"{MIXED}\n{HELLO}--a\nContent-Type: application/octet-stream\n"
        f"Content-Transfer-Encoding: base64\n\n{b64(winmail(WORDS))}\n--a--\n"
    ),
}


def extracts(message: Message) -> tuple[Extract, ...]:
    """What is in the files, as the cage would say."""
    found = []
    for part in message.parts:
        if is_file(part):
            sniffed = sniff(part.data)
            extract = Extract(part=part.number, sniffed=sniffed)
            if needs_reader(part, sniffed):
                about = About(name=part.filename, declared=part.content_type, sniffed=sniffed)
                reading = read_file(part.data, about)
                extract = Extract(
                    part=part.number,
                    sniffed=sniffed,
                    is_read=True,
                    text=reading.text,
                    names=reading.names,
                    misses=reading.misses,
                )
            found.append(extract)
    return tuple(found)


@pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
def test_words_are_found_however_they_are_sent(ruleset: Ruleset, text: str) -> None:
    message = read(text)

    report = scan(look(message, extracts(message)), transaction(), ruleset)

    assert {"CONDUCT_SAMPLE"} == {finding.symbol.name for finding in report.findings}
