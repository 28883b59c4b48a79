"""Words that are apart in the source of a page, or in its bytes, and whole to whoever reads it."""

import pytest

from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.scan.registry import Ruleset
from mailguard.testing import mail

from .test_disguises import found, view_of

PAGES = {
    "a tag around each letter": "I will <b>s</b><i>t</i><u>a</u><span>b</span> you",
    "a tag in the middle": "I will st<b></b>ab you",
    "letters apart, each in a tag": "I will <b>s</b> <i>t</i> <u>a</u> <span>b</span> you",
    "letters with full stops, each in a tag": "I will <b>s.</b><i>t.</i><u>a.</u><b>b</b> you",
    "a break that may be": "I will st<wbr>ab you",
    "a soft hyphen": "I will st&shy;ab you",
    "a joiner": "I will st&zwnj;ab y&zwj;ou",
    "a space without width": "I will st&#8203;ab &#xFEFF;you",
    "numbers for letters": "I will &#115;&#x74;&#97;&#98; you",
    "letters of another script by number": "I will st&#1072;b you",
    "full width by number": "I will &#65363;&#65364;&#65345;&#65346; you",
    "marks above letters": "I will s&#775;t&#803;a&#776;b you",
    "spaces that are none": "I&nbsp;will&emsp;stab&thinsp;you",
    "a direction and back": "I will st&#8234;&#8236;ab you",
    "isolated": "I will &#8296;stab&#8297; you",
    "turned by an override": "I will &#8238;bats&#8236; you",
    "turned by a tag": "I will <bdo dir=rtl>bats</bdo> you",
    "a line in a table cell": "<table><tr><td>I will</td><td>stab</td><td>you</td></tr></table>",
    "a comment in each gap": "I will s<!-- a -->t<!-- b -->a<!-- c -->b you",
    "a tag that is none": "I will st</x>ab you",
    "a link in the word": "I will st<a href='https://x.example/'>a</a>b you",
}

BYTES = {
    "UTF-7": ("utf-7", b"I will st+AGE-b you"),
    "UTF-7 throughout": ("utf-7", b"+AEkAIAB3AGkAbABsACAAcwB0AGEAYgAgAHkAbwB1-"),
    "UTF-16": ("utf-16", "I will stab you".encode("utf-16")),
    "UTF-16 without its mark": ("utf-16be", "I will stab you".encode("utf-16-be")),
    "ISO-2022-JP": ("iso-2022-jp", "I will ｓｔａｂ you".encode("iso-2022-jp")),
    "a charset that is none": ("x-none", b"I will stab you"),
    "KOI8-R letters": ("koi8-r", "I will stаb you".encode("koi8-r")),
    "Windows-1251 letters": ("windows-1251", "I will stаb уоu".encode("cp1251")),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_tags_and_entities_hide_no_word(page: str, ruleset: Ruleset) -> None:
    assert "THREAT_HARM_INTENT" in found(view_of(page, "text/html"), ruleset)


@pytest.mark.parametrize(("charset", "body"), BYTES.values(), ids=list(BYTES))
def test_a_charset_hides_no_word(charset: str, body: bytes, ruleset: Ruleset) -> None:
    head, _, _ = mail(content_type=f"text/plain; charset={charset}").partition(b"\r\n\r\n")

    actual = found(look(parse(head + b"\r\n\r\n" + body + b"\r\n")), ruleset)

    assert "THREAT_HARM_INTENT" in actual
