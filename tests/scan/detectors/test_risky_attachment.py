"""What is a program, what only starts one, and what poses as something else."""

from collections.abc import Callable

import pytest

from mailguard.mail.text import Attachment, MessageView
from mailguard.scan.detectors.risky_attachment import detect
from mailguard.testing import SCHOOL, transaction

BuildView = Callable[..., MessageView]

PROGRAM, RISKY = ["PROGRAM_ATTACHMENT"], ["RISKY_ATTACHMENT"]


@pytest.mark.parametrize(
    ("filename", "declared", "sniffed", "symbols"),
    [
        pytest.param("setup.exe", "application/octet-stream", "", PROGRAM, id="name"),
        pytest.param("SETUP.EXE . ", "", "", PROGRAM, id="capitals, dots and spaces behind"),
        pytest.param("letter.pdf", "application/x-msdownload", "", PROGRAM, id="declared"),
        pytest.param(
            "letter.pdf", "application/pdf", "application/x-dosexec", PROGRAM, id="sniffed"
        ),
        pytest.param("letter.pdf.vbs", "", "", PROGRAM, id="poses as a document"),
        pytest.param("photo.jpg      .lnk", "", "", PROGRAM, id="hides behind spaces"),
        pytest.param("\u202egpj.sbv", "", "", [], id="turned, but harmless when read plainly"),
        pytest.param("gpj\u202e.vbs", "", "", PROGRAM, id="turned name of a script"),
        pytest.param("run.vbs", "", "", RISKY, id="script"),
        pytest.param("open.lnk", "", "", RISKY, id="shortcut"),
        pytest.param("page.hta", "", "", RISKY, id="HTML application"),
        pytest.param("disk.ISO", "", "", RISKY, id="disk image"),
        pytest.param("", "application/hta", "", RISKY, id="declared HTML application, no name"),
        pytest.param("notes.txt", "text/plain", "application/x-ms-shortcut", RISKY, id="sniffed"),
        pytest.param("iso", "", "", [], id="no ending"),
        pytest.param("about exe.txt", "text/plain", "text/plain", [], id="text"),
        pytest.param("turtle.py", "text/x-python", "text/x-script.python", [], id="Python"),
        pytest.param("my page.html", "text/html", "text/html", [], id="web page"),
        pytest.param("plan.v2.docx", "", "application/zip", [], id="document"),
    ],
)
def test_attachment_is_judged_by_name_and_both_types(
    view: BuildView, filename: str, declared: str, sniffed: str, symbols: list[str]
) -> None:
    attachment = Attachment(
        part="2", filename=filename, declared=declared, sniffed=sniffed, size=1, sha256=""
    )

    findings = list(detect(view("", attachments=[attachment]), transaction(), SCHOOL))

    assert [finding.symbol.name for finding in findings] == symbols


def test_each_attachment_is_a_finding_of_its_part(view: BuildView) -> None:
    attachments = [
        Attachment(part=part, filename="a.exe", declared="", sniffed="", size=1, sha256="")
        for part in ("2", "3")
    ]

    findings = list(detect(view("", attachments=attachments), transaction(), SCHOOL))

    assert [(f.part, f.where) for f in findings] == [("2", None), ("3", None)]
