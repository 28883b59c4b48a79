"""Examples are whole messages, read like any other."""

from mailguard.mail.message import parse
from mailguard.mail.text import Where, look
from mailguard.scan.example import compose


def test_each_text_comes_out_at_its_place() -> None:
    raw = compose(
        text="The body.",
        subject="The s\u00fcbject",
        quoted="One line.\nAnother line.",
        attachment="The file.",
        filename="plan.txt",
    )

    view = look(parse(raw))

    texts = {segment.where: segment.text.strip() for segment in view.segments}
    assert texts[Where.SUBJECT] == "The s\u00fcbject"
    assert texts[Where.BODY] == "The body."
    assert "Another line." in texts[Where.QUOTED]
    assert texts[Where.ATTACHMENT] == "The file."
    assert texts[Where.FILENAME] == "plan.txt"


def test_lines_end_with_carriage_return_and_line_feed() -> None:
    raw = compose(text="a\nb", attachment="c\nd")

    assert raw.count(b"\n") == raw.count(b"\r\n")
