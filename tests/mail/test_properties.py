"""What holds for every message: nothing that somebody wrote is lost, whatever is around it.

`MAILGUARD_EXAMPLES=5000` tries as many messages instead of a few.
"""

import base64
import os
import quopri
import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailguard.mail.fold import fold
from mailguard.mail.message import parse
from mailguard.mail.text import MessageView, look

EXAMPLES = int(os.environ.get("MAILGUARD_EXAMPLES", "80"))

SCUNTHORPE = Path(__file__).parents[1] / "golden" / "scunthorpe.txt"
INNOCENT = sorted(set(SCUNTHORPE.read_text("utf-8").split()))
SPACES = (
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    " \n ",
    "\n\n\n",
    "\u00a0",
    "\u3000",
    "\u2028",
    "\u200b \u00ad",
)

TOP = "From: ana@elmpark.example\nSubject: a message\nMIME-Version: 1.0\n"
ENCODERS = {
    "": bytes,
    "7bit": bytes,
    "8bit": bytes,
    "base64": base64.encodebytes,
    "quoted-printable": quopri.encodestring,
}
INTRUDERS = (
    "Content-Type: multipart/mixed; boundary=z\n",
    "Content-Type: text/html\n",
    "Content-Type: application/octet-stream\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: x\n",
    "\n--z\n",
    *("\r", "\n", "\0", "\xff", " ", "\n\n", "--", "=", ":", ";", '"', "(", "begin 644 a\n"),
)


def sentence(word: str) -> str:
    """The line that a message must not lose; `word` is in no other one."""
    return f"Hello {word} there."


@st.composite
def leaves(draw: st.DrawFn, words: list[str]) -> str:
    """A part with a sentence in it, plain or a page, in any encoding, shown or as a file."""
    words.append(f"mk{len(words)}kingfisher{len(words)}x")
    text = sentence(words[-1])
    kind = draw(st.sampled_from(["text/plain", "text/html", ""]))
    if kind == "text/html":
        text = f"<html><body><p>{text}</p></body></html>"
    encoding = draw(st.sampled_from(sorted(ENCODERS)))
    header = []
    if kind:
        charset = draw(st.sampled_from(["utf-8", "us-ascii", "iso-8859-1", "x-unknown"]))
        header.append(f"Content-Type: {kind}; charset={charset}")
    if encoding:
        header.append(f"Content-Transfer-Encoding: {encoding}")
    if how := draw(st.sampled_from(["", "inline", "attachment", "attachment; filename=a.txt"])):
        header.append(f"Content-Disposition: {how}")
    body = ENCODERS[encoding](f"{text}\nmore of it\n".encode()).decode()
    return "".join(f"{line}\n" for line in draw(st.permutations(header))) + f"\n{body}"


@st.composite
def entities(draw: st.DrawFn, words: list[str], depth: int) -> str:
    """A part of any shape; its words are added to `words`."""
    shape = (
        draw(st.sampled_from(["leaf", "message", "multipart", "multipart"])) if depth else "leaf"
    )
    if shape == "leaf":
        return draw(leaves(words))
    if shape == "message":
        inner = draw(entities(words, depth - 1))
        return f"Content-Type: message/rfc822\n\nSubject: inside\n{inner}"
    kind = draw(st.sampled_from(["mixed", "alternative", "related", "digest", "signed"]))
    boundary = f"b{len(words)}-{depth}"
    parts = [draw(entities(words, depth - 1)) for _ in range(draw(st.integers(1, 3)))]
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{body}--{boundary}--\n'


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A message with lines that end in LF, and the words in it."""
    words: list[str] = []
    return TOP + draw(entities(words, 3)), words


def written(text: str, end: str = "\n") -> bytes:
    return text.replace("\n", end).encode("latin-1")


def shown(view: MessageView) -> str:
    return "\n".join(segment.folded.text for segment in view.segments)


@given(messages(), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=EXAMPLES)
def test_every_sentence_of_every_part_is_in_the_view(
    message: tuple[str, list[str]], end: str
) -> None:
    text, words = message

    view = look(parse(written(text, end)))

    assert [] == [word for word in words if sentence(word).lower() not in shown(view)]


@given(messages(), st.sampled_from(["\n", "\r\n"]), st.data())
@settings(max_examples=2 * EXAMPLES)
def test_a_line_that_survives_damage_is_in_the_view_or_told_of(
    message: tuple[str, list[str]], end: str, data: st.DataObject
) -> None:
    """A line of plain text, in the clear and whole: also where a header, a delimiter or an encoding
    around it was changed, put in, doubled or lost. What is behind a tag that never ends is told
    apart: no page shows that."""
    text, words = message
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(len(TOP), len(text)))
        begin, stop = text.rfind("\n", 0, at) + 1, text.find("\n", at) + 1 or len(text)
        match data.draw(st.integers(0, 4)):
            case 0:
                text = text[:at] + text[at + data.draw(st.integers(1, 8)) :]
            case 1:
                text = text[:at] + data.draw(st.sampled_from(INTRUDERS)) + text[at:]
            case 2:
                text = text[:stop] + text[begin:stop] + text[stop:]
            case 3:
                text = text[:begin] + text[stop:]
            case _:
                text = text[:at]
    raw = written(text, end)
    alive = [
        word
        for word in words
        if re.search(rb"^%s\r?$" % re.escape(sentence(word)).encode(), raw, re.MULTILINE)
    ]

    view = look(parse(raw))

    lost = [word for word in alive if sentence(word).lower() not in shown(view)]
    assert [] == lost or view.unread or re.search(r"<[^>]*+\Z|<[^>]*?\n--", text)


@given(
    st.lists(st.sampled_from(INNOCENT), min_size=2, max_size=12),
    st.lists(st.sampled_from(SPACES), min_size=12, max_size=12),
)
@settings(max_examples=2 * EXAMPLES)
@example(["Scunthorpe", "is", "hit"], list(SPACES) * 2)
def test_folding_joins_no_words_and_parts_none(words: list[str], spaces: list[str]) -> None:
    text = "".join(word + space for word, space in zip(words, spaces, strict=False))

    assert [fold(word).text for word in words] == fold(text).text.split()


FOLDED = st.lists(
    st.one_of(
        st.characters(),
        st.sampled_from(INNOCENT),
        st.sampled_from(SPACES),
        st.sampled_from("aK\0\u200b\u00adé№ﬁ…⑽\u0301Іо🔪Σ"),
    ),
    max_size=30,
).map("".join)


@given(FOLDED, st.integers(1, 9))
@settings(max_examples=2 * EXAMPLES)
@example("a   b …  c\n\n \n d", 1)
def test_what_a_span_shows_folds_to_what_was_found(text: str, width: int) -> None:
    """However a finding is cut: white space at its ends apart, and the other letters of one that
    becomes several."""
    folded = fold(text)

    for start in range(len(folded.text)):
        found = " ".join(folded.text[start : start + width].split())
        first, last = folded.span(start, min(start + width, len(folded.text)))
        assert found in " ".join(fold(text[first:last]).text.split())
