"""What is packed into an attachment, and what a document does by itself."""

from collections.abc import Callable

import pytest

from mailguard.mail.text import Attachment, MessageView
from mailguard.scan.detectors.active_content import detect
from mailguard.testing import SCHOOL, transaction

BuildView = Callable[..., MessageView]


@pytest.mark.parametrize(
    ("inside", "features", "symbols"),
    [
        pytest.param(("a/b/run.EXE. ",), (), ["PACKED_PROGRAM"], id="program"),
        pytest.param(("open me.lnk",), (), ["PACKED_PROGRAM"], id="shortcut"),
        pytest.param(("photo.jpg   .com",), (), ["PACKED_PROGRAM"], id="behind spaces"),
        pytest.param(("gpj\u202e.vbs",), (), ["PACKED_PROGRAM"], id="turned name"),
        pytest.param((), ("macros",), ["MACRO_ATTACHMENT"], id="macros"),
        pytest.param((), ("launch", "macros"), ["PACKED_PROGRAM", "MACRO_ATTACHMENT"], id="both"),
        pytest.param(("main.js", "a.dll", "x.py"), (), [], id="project"),
        pytest.param(("From ann@example.com",), ("active",), [], id="enclosed message"),
        pytest.param((), (), [], id="nothing"),
    ],
)
def test_an_attachment_is_judged_by_what_is_in_it(
    view: BuildView, inside: tuple[str, ...], features: tuple[str, ...], symbols: list[str]
) -> None:
    attachment = Attachment(
        part="2",
        filename="a.zip",
        declared="",
        sniffed="",
        size=1,
        sha256="",
        inside=inside,
        features=features,
    )

    findings = list(detect(view("", attachments=[attachment]), transaction(), SCHOOL))

    assert [finding.symbol.name for finding in findings] == symbols
