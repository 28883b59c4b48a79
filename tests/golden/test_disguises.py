"""Disguised harm is found by the shipped rules, and innocent text that looks disguised is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.mail.message import parse
from mailguard.mail.text import MessageView, look
from mailguard.scan.finding import ScanReport
from mailguard.scan.registry import Ruleset
from mailguard.scan.scanner import scan
from mailguard.testing import mail, transaction

INNOCENT = (Path(__file__).parent / "scunthorpe.txt").read_text("utf-8").splitlines()
"""Text that somebody could take for disguised, a trap each."""

SECRET = {"ass", "die", "dick", "hole", "kill", "rapist", "shoot", "stab", "cunt", "penis", "tits"}
"""Words that no other reading of an innocent text may bring in."""

DISGUISED = {
    "leetspeak": ("I will k1ll you", "THREAT_HARM_INTENT"),
    "leetspeak throughout": ("1 w1ll ki11 y0u", "THREAT_HARM_INTENT"),
    "a digit in front": ("i will 5tab you tomorrow", "THREAT_TIME_OR_WEAPON"),
    "an at sign": ("I'm gonna st@b you", "THREAT_HARM_INTENT"),
    "a dollar sign in front": ("i will $tab you", "THREAT_HARM_INTENT"),
    "an exclamation mark": ("you are such a b!tch", "ABUSE_VULGAR_INSULT"),
    "two dollar signs": ("you fat a$$", "ABUSE_VULGAR_INSULT"),
    "a one for an L": ("go kill yourse1f", "SELF_HARM_ENCOURAGE"),
    "a one for a pronoun": ("1 want to d1e", "SELF_HARM_IDEATION"),
    "several signs": ("I am going to k!ll my$elf", "SELF_HARM_INTENT"),
    "a slur": ("ur a r3tard", "HATE_SLUR_AT_PERSON"),
    "zeros": ("send n00ds", "IMAGERY_REQUEST"),
    "threes": ("wanna buy w33d", "DRUGS_SUPPLY"),
    "letters apart by spaces": ("I will k i l l you", "THREAT_HARM_INTENT"),
    "letters apart by full stops": ("i will k.i.l.l you", "THREAT_HARM_INTENT"),
    "letters apart by dashes": ("i will k-i-l-l you", "THREAT_HARM_INTENT"),
    "letters apart by underscores": ("i will k_i_l_l you", "THREAT_HARM_INTENT"),
    "letters apart by asterisks": ("i will k*i*l*l you", "THREAT_HARM_INTENT"),
    "three letters apart": ("k.y.s", "SELF_HARM_KYS"),
    "a sentence apart, words far apart": ("I   w i l l   k i l l   y o u", "THREAT_HARM_INTENT"),
    "a sentence apart, all alike": ("i w i l l k i l l y o u", "THREAT_HARM_INTENT"),
    "a letter a line": ("k\ni\nl\nl yourself", "SELF_HARM_ENCOURAGE"),
    "letters apart, with a digit": ("k 1 l l yourself", "SELF_HARM_ENCOURAGE"),
    "words joined": ("i_will_kill_you", "THREAT_HARM_INTENT"),
    "a word cut in two": ("I will st_ab you", "THREAT_HARM_INTENT"),
    "repeated letters": ("i will killlll you", "THREAT_HARM_INTENT"),
    "repeated letters throughout": ("i wiiiill killlll youuuu", "THREAT_HARM_INTENT"),
    "a swear word repeated": ("shiiiit", "OFFENSIVE_SWEARING"),
    "an insult repeated": ("you are a sluuuut", "ABUSE_VULGAR_INSULT"),
    "leetspeak and repetition": ("k1llllll yourself", "SELF_HARM_ENCOURAGE"),
    "a letter starred out": ("you are a b*stard", "ABUSE_VULGAR_INSULT"),
    "a picture of a knife": ("im bringing a 🔪 tomorrow", "WEAPONS_CARRY"),
    "a picture of a gun": ("bringing a 🔫 to school tomorrow", "WEAPONS_CARRY"),
    "a picture for an insult": ("you absolute 🤡", "ABUSE_INSULT"),
    "backwards": ("uoy llik lliw I", "THREAT_HARM_INTENT"),
    "words backwards": ("I lliw llik uoy", "THREAT_HARM_INTENT"),
    "turned by a control": ("\u202euoy llik lliw I\u202c", "THREAT_HARM_INTENT"),
    "zero-width letters": ("I wi\u200bll ki\u200bll you", "THREAT_HARM_INTENT"),
    "a soft hyphen": ("I will ki\u00adll you", "THREAT_HARM_INTENT"),
    "Cyrillic letters": ("I will kіll уоu", "THREAT_HARM_INTENT"),
    "full-width letters": ("Ｉ ｗｉｌｌ ｋｉｌｌ ｙｏｕ", "THREAT_HARM_INTENT"),
    "full-width leetspeak": ("Ｉ ｗ１ｌｌ ｋ１ｌｌ ｙｏｕ", "THREAT_HARM_INTENT"),
    "script letters": ("𝓘 𝔀𝓲𝓵𝓵 𝓴𝓲𝓵𝓵 𝔂𝓸𝓾", "THREAT_HARM_INTENT"),
    "struck through": ("I will k̶i̶l̶l̶ you", "THREAT_HARM_INTENT"),
    "circled letters": ("ⓚⓘⓛⓛ yourself", "SELF_HARM_ENCOURAGE"),
}

HIDDEN = {
    "display": "I will st<span style='display:none'>x</span>ab you",
    "display, in capitals": "I will st<SPAN STYLE='DISPLAY : NONE !important'>x</SPAN>ab you",
    "visibility": "I will st<b style='visibility:hidden'>x</b>ab you",
    "opacity": "I will st<b style='opacity:0.01'>x</b>ab you",
    "a size of nothing": "I will st<b style='font-size:0'>x</b>ab you",
    "a size of one pixel": "I will st<b style='font:1px Arial'>x</b>ab you",
    "white on white": "I will st<font color=white>x</font>ab you",
    "nearly white on white": "I will st<b style='color:#fefefe'>x</b>ab you",
    "black on black": (
        "<table><tr><td bgcolor='#000'><font color=#eee>I will st</font><b>x</b>"
        "<font color=#eee>ab you</font></table>"
    ),
    "an inherited background": (
        "<div style='background:#123456'><p style='color:#fff'>I will st"
        "<i style='color:rgb(18,52,86)'>x</i>ab you</p></div>"
    ),
    "transparent": "I will st<b style='color:rgba(0,0,0,0)'>x</b>ab you",
    "for Outlook": "I will st<b style='mso-hide:all'>x</b>ab you",
    "off the screen": "I will st<b style='position:absolute;left:-9999px'>x</b>ab you",
    "no room": "I will st<b style='max-height:0;overflow:hidden'>x</b>ab you",
    "an attribute": "I will st<b hidden>x</b>ab you",
    "a style sheet": "<style>p b.q{display:none}</style>I will st<b class='a q'>x</b>ab you",
    "a block with lines": "I will st<div style='display:none'>x<br>y<p>z</div>ab you",
    "a comment": "I will st<!-- x -->ab you",
    "a comment of Outlook's": "I will st<!--[if mso]>x<![endif]-->ab you",
    "a picture's name": "I will st<img src='cid:1' alt='x'>ab you",
    "nested elements": "I will st<b style='display:none'><i>x</i><b>y</b>z</b>ab you",
    "leetspeak as well": "I will 5t<b style='display:none'>x</b>4b you",
    "letters apart as well": "I will s<b hidden>q</b> t<b hidden>zz</b> a b you",
    "an exception that nobody sees": (
        "I will stab you <b style='display:none'>in minecraft</b> tomorrow"
    ),
}

UNSEEN = {
    "hidden": "Hello <p style='display:none'>I will stab you</p>",
    "a comment": "Hello <!-- I will stab you -->",
    "a title": "Hello <b title='I will stab you'>there</b>",
    "a hidden field": "Hello <input type=hidden value='I will stab you'>",
    "a button": "Hello <input type=submit value='I will stab you'>",
    "a field's hint": "Hello <input placeholder='I will stab you'>",
    "no scripts": "Hello <noscript>I will stab you</noscript>",
    "details": "Hello <details><summary>More</summary>I will stab you</details>",
    "a template": "Hello <template>I will stab you</template>",
}


def view_of(text: str, content_type: str = "text/plain") -> MessageView:
    return look(parse(mail(text, content_type=f"{content_type}; charset=utf-8")))


def judge(view: MessageView, ruleset: Ruleset) -> ScanReport:
    report = scan(view, transaction(), ruleset)
    assert () == report.failed
    return report


def found(view: MessageView, ruleset: Ruleset) -> dict[str, list[str]]:
    """The words, as written, that each symbol is about."""
    texts = {(segment.part, segment.where): segment.text for segment in view.segments}
    return {
        finding.symbol.name: [
            texts[span.part, span.where][span.start : span.end] for span in finding.spans
        ]
        for finding in judge(view, ruleset).findings
    }


def new_words(view: MessageView, ruleset: Ruleset) -> Iterator[str]:
    """Words that other readings of a message have, and the plain one does not."""
    for segment in view.segments:
        for reading in ruleset.matcher.readings(segment):
            yield from set(reading.text.split()) - set(segment.folded.text.split())


def test_forty_disguises_and_sixty_innocent_texts_are_tried() -> None:
    assert len(DISGUISED) >= 40
    assert len(set(INNOCENT)) >= 60


@pytest.mark.parametrize(("text", "symbol"), DISGUISED.values(), ids=list(DISGUISED))
def test_a_disguise_is_seen_through(text: str, symbol: str, ruleset: Ruleset) -> None:
    actual = found(view_of(text), ruleset)

    assert symbol in actual
    assert all(words in text for words in actual[symbol])


@pytest.mark.parametrize("html", HIDDEN.values(), ids=list(HIDDEN))
def test_hidden_text_splits_no_word(html: str, ruleset: Ruleset) -> None:
    actual = found(view_of(html, "text/html"), ruleset)

    assert "THREAT_HARM_INTENT" in actual


@pytest.mark.parametrize("html", UNSEEN.values(), ids=list(UNSEEN))
def test_hidden_text_is_read(html: str, ruleset: Ruleset) -> None:
    actual = found(view_of(html, "text/html"), ruleset)

    assert ["will stab you"] == [words.removeprefix("I ") for words in actual["THREAT_HARM_INTENT"]]


@pytest.mark.parametrize("content_type", ["text/plain", "text/html"])
def test_innocent_text_that_looks_disguised_finds_nothing(
    content_type: str, ruleset: Ruleset
) -> None:
    findings = {text: found(view_of(text, content_type), ruleset) for text in INNOCENT}

    assert {} == {text: symbols for text, symbols in findings.items() if symbols}


def test_no_reading_of_innocent_text_brings_in_a_word_that_it_has_not(ruleset: Ruleset) -> None:
    brought = {text: SECRET & set(new_words(view_of(text), ruleset)) for text in INNOCENT}

    assert {} == {text: words for text, words in brought.items() if words}
