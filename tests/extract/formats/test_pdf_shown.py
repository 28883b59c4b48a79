"""PDF files: what a page shows that is neither its own text nor the value of anything on it."""

import pytest

from .test_pdf import FONT, HELVETICA, MARKER, PAGE, PICTURE, document, places, read, stream

STAMP = f"/Type/XObject/Subtype/Form/BBox[0 0 200 20]/Resources<<{FONT}>>"


def annotated(annotation: str, shown: str) -> bytes:
    """A page with a word on it, and an annotation that looks like the form `shown`."""
    page = PAGE.format(FONT, f"/Contents 4 0 R/Annots[{annotation}]")
    return document(page, stream("BT /F 9 Tf 9 9 Td (Hello) Tj ET"), HELVETICA, shown, PICTURE)


@pytest.mark.parametrize(
    "annotation",
    [
        pytest.param("<</Type/Annot/Subtype/Stamp{}>>", id="stamp"),
        pytest.param("<</Type/Annot/Subtype/FreeText/Contents(a){}>>", id="other words in a box"),
        pytest.param("<</Type/Annot/Subtype/Widget/FT/Btn/T(Button1){}>>", id="button"),
    ],
)
def test_what_an_annotation_shows_is_read(annotation: str) -> None:
    look = "/F 4/Rect[9 99 209 119]/AP<</N 6 0 R>>"
    shown = stream(f"BT /F 9 Tf 2 2 Td ({MARKER}) Tj ET", STAMP)

    reading = read(annotated(annotation.format(look), shown))

    assert "comment" in places(reading)
    assert "Hello" in reading.text
    assert reading.text.count("Hello") == 1


def test_an_annotation_that_is_a_picture_of_the_page_is_a_miss() -> None:
    look = "/F 4/Rect[0 0 300 300]/AP<</N 6 0 R>>"
    shown = stream(
        "q 300 0 0 300 0 0 cm /P Do Q",
        "/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<</XObject<</P 7 0 R>>>>",
    )

    reading = read(annotated(f"<</Type/Annot/Subtype/Stamp{look}>>", shown))

    assert reading.misses == ("image",)


def test_a_picture_of_the_page_that_is_drawn_by_a_form_is_a_miss() -> None:
    page = PAGE.format(f"{FONT}/XObject<</X 6 0 R>>", "/Contents 4 0 R")
    content = "/X Do BT /F 9 Tf 9 9 Td (read me) Tj ET"
    form = stream(
        "q 300 0 0 300 0 0 cm /P Do Q",
        "/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<</XObject<</P 7 0 R>>>>",
    )

    reading = read(document(page, stream(content), HELVETICA, form, PICTURE))

    assert reading.misses == ("image",)
