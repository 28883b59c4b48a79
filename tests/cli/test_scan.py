"""Judging messages in files."""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from mailguard.cli.message_tree import draw_message
from mailguard.extract.found import Missed, Opened, Piece, Reading, Trait
from mailguard.mail.attachment import Extract
from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.testing import CANARY, mail

Mailguard = Callable[..., Any]

THREAT = "wait till break tomorrow, I'm going to stab you"


@pytest.fixture
def threat(tmp_path: Path) -> Path:
    file = tmp_path / "threat.eml"
    file.write_bytes(mail(THREAT, from_="ana@pupils.elmpark.example", to="ben@elmpark.example"))
    return file


def give(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put `content` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_json_has_exactly_the_keys_that_programs_rely_on(
    mailguard: Mailguard, threat: Path
) -> None:
    (scanned,) = mailguard("scan", "--json", "--domain", "elmpark.example", str(threat)).json

    assert list(scanned) == [
        "path",
        "level",
        "sealed",
        "disposition",
        "relationship",
        "recipients",
        "categories",
        "findings",
        "unscanned",
        "sha256",
        "ms",
    ]
    assert list(scanned["findings"][0]) == ["symbol", "category", "level", "part", "says", "count"]
    assert scanned["path"] == str(threat)
    assert scanned["sha256"] == hashlib.sha256(threat.read_bytes()).hexdigest()
    assert scanned["level"] == scanned["categories"]["threat"] >= 2
    assert scanned["disposition"] == "hold"


def test_findings_do_not_change_the_exit_status(mailguard: Mailguard, threat: Path) -> None:
    assert mailguard("scan", str(threat)).status == 0


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["for a person", "for a program"])
def test_no_text_of_the_message_is_printed(
    mailguard: Mailguard, threat: Path, words: tuple[str, ...]
) -> None:
    done = mailguard("scan", *words, str(threat))

    assert CANARY not in done.out
    assert "stab" not in done.out


def test_explain_shows_every_step_and_the_words_that_matched(
    mailguard: Mailguard, threat: Path
) -> None:
    done = mailguard("scan", "--explain", str(threat))

    steps = [line.split()[1] for line in done.out.splitlines() if line[:1].isdigit()]
    assert steps == ["accept", "parse", "unpack", "look", "scan", "weigh", "dispose"]
    assert "  | wait till break tomorrow, i'm going to stab you" in done.out
    assert "THREAT_HARM_INTENT threat L3" in done.out


def test_explain_draws_the_message_with_every_file_in_it(
    mailguard: Mailguard, tmp_path: Path
) -> None:
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("note.html", "<p>See you at the bike sheds</p>")
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("picture.bin", b"\0\1\2")
    message = EmailMessage()
    message["From"], message["To"] = "ana@elmpark.example", "ben@elmpark.example"
    message.set_content("ｈｅｌｌｏ")
    message.add_alternative("<p>hello</p>", subtype="html")
    message.add_attachment(outer.getvalue(), "application", "pdf", filename="letters.zip")
    (tmp_path / "m.eml").write_bytes(message.as_bytes())

    lines = mailguard("scan", "--explain", str(tmp_path / "m.eml")).out.splitlines()

    tree = lines[lines.index("3  unpack") + 1 : lines.index("4  look")]
    assert [line[5:].split("  found")[0].split(", ")[0] for line in tree] == [
        "message",
        "├─ 1  several parts",
        "│  ├─ 1.1  text/plain in utf-8",
        "│  └─ 1.2  text/html in utf-8",
        "└─ 2  'letters.zip'  application/pdf",
        "   ├─ 'inner.zip'",
        "   │  └─ 'note.html'",
        "   └─ 'picture.bin'",
        "      └─ not read: format",
    ]
    assert "found application/zip, attachment, 3" in tree[4]
    assert "read by zip, 29 characters seen" in tree[4]
    assert "read by zip" in tree[5]
    assert "read by html or text (body: 29)" in tree[6]
    assert "no reader" in tree[7]
    assert "       | see you at the bike sheds" in lines
    assert "       'ｈｅｌｌｏ' is read as 'hello'" in lines


def test_the_tree_tells_two_files_of_one_name_apart_and_says_once_what_is_missing() -> None:
    found = (
        Opened(
            path="a.zip",
            declared="application/zip",
            sniffed="application/zip",
            size=9,
            reader="zip",
        ),
        Opened(path="a.zip/n", declared="", sniffed="text/plain", size=5, reader="text"),
        Piece(path="a.zip/n", where="", text="first"),
        Opened(path="a.zip/n", declared="", sniffed="text/plain", size=3, reader="text"),
        Piece(path="a.zip/n", where="note 1", text="two"),
        Trait(path="a.zip", word="unlisted"),
        Missed(path="a.zip", reason="broken"),
        Missed(path="a.zip", reason="broken"),
        Missed(path="elsewhere", reason="killed"),
        Missed(path="a.zip/n/inner/deep.zip", reason="too_deep"),
        Piece(path="elsewhere", where="", text="of a file that was never opened"),
    )
    attached = [("Content-Disposition", "attachment")]
    raw = mail("", content_type="application/zip", headers=attached)
    message = parse(raw)
    misses = ("broken", "killed")
    extract = Extract(part="1", sniffed="application/zip", is_read=True, misses=misses)

    lines = list(
        draw_message(message, look(message, (extract,)), (extract,), {"1": Reading(found=found)})
    )

    assert lines[1].endswith(
        "found the same, attachment, 13 bytes, read by zip [unlisted], 0 characters seen"
    )
    assert lines[2:] == [
        "   ├─ 'n'  found text/plain, 5 bytes, read by text (body: 5)",
        "   ├─ 'n'  found text/plain, 3 bytes, read by text (note 1: 3)",
        "   │  └─ not read: too_deep",
        "   ├─ not read: broken",
        "   └─ not read: killed",
    ]


def test_explain_can_be_had_as_json_too(mailguard: Mailguard, threat: Path) -> None:
    (scanned,) = mailguard("scan", "--json", "--explain", str(threat)).json

    assert scanned["explain"][0] == str(threat)


def test_without_a_configuration_nobody_is_of_the_school(
    mailguard: Mailguard, threat: Path
) -> None:
    (scanned,) = mailguard("scan", "--json", str(threat)).json

    assert scanned["relationship"] == "outside→outside"


def test_a_domain_makes_its_people_pupils_and_their_mail_come_from_inside(
    mailguard: Mailguard, threat: Path
) -> None:
    (scanned,) = mailguard("scan", "--json", "--domain", "elmpark.example", str(threat)).json

    assert scanned["relationship"] == "pupil→pupil"


def test_a_configuration_knows_more(mailguard: Mailguard, threat: Path, config_file: Path) -> None:
    (scanned,) = mailguard("scan", "--json", str(threat)).json

    assert scanned["relationship"] == "pupil→staff"


def test_mail_from_outside_with_an_address_of_the_school_is_spoofed(
    mailguard: Mailguard, threat: Path, config_file: Path
) -> None:
    (scanned,) = mailguard("scan", "--json", "--origin", "outside", str(threat)).json

    assert scanned["relationship"] == "spoofed→staff"


def test_the_envelope_may_be_given(mailguard: Mailguard, threat: Path, config_file: Path) -> None:
    given = ("--from", "t.hill@elmpark.example", "--to", "a@x.example", "--to", "b@y.example")

    (scanned,) = mailguard("scan", "--json", *given, str(threat)).json

    assert [r["address"] for r in scanned["recipients"]] == ["a@x.example", "b@y.example"]


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ((("Return-Path", "<cara@elmpark.example>"),), "cara@elmpark.example"),
        ((("Return-Path", "<>"),), ""),
        ((), "ana@elmpark.example"),
    ],
    ids=["Return-Path", "null sender", "From"],
)
def test_the_sender_is_return_path_else_from(
    mailguard: Mailguard, tmp_path: Path, headers: tuple[tuple[str, str], ...], sender: str
) -> None:
    (tmp_path / "m.eml").write_bytes(mail(headers=headers))

    done = mailguard("scan", "--explain", str(tmp_path / "m.eml"))

    assert f"from    <{sender}>" in done.out


def test_the_recipients_are_to_cc_and_bcc_once_each(mailguard: Mailguard, tmp_path: Path) -> None:
    headers = (("Cc", "C <c@x.example>, b@x.example"), ("Bcc", "d@x.example"))
    (tmp_path / "m.eml").write_bytes(mail(to="b@x.example", headers=headers))

    (scanned,) = mailguard("scan", "--json", str(tmp_path / "m.eml")).json

    addresses = [recipient["address"] for recipient in scanned["recipients"]]
    assert addresses == ["b@x.example", "c@x.example", "d@x.example"]


def test_each_recipient_has_its_own_disposition(
    mailguard: Mailguard, threat: Path, config_file: Path
) -> None:
    given = ("--to", "t.hill@elmpark.example", "--to", "ben@pupils.elmpark.example")

    (scanned,) = mailguard("scan", "--json", *given, str(threat)).json
    summary = mailguard("scan", *given, str(threat)).out

    assert [r["disposition"] for r in scanned["recipients"]] == ["flag", "hold"]
    assert "flag   for t.hill@elmpark.example (pupil→staff)" in summary


def test_standard_input_is_a_message_or_an_mbox(
    mailguard: Mailguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, mail())
    (one,) = mailguard("scan", "--json", "-").json
    give(monkeypatch, b"From a\r\n" + mail() + b"\r\nFrom b\r\n" + mail())
    two = mailguard("scan", "--json", "-").json

    assert one["path"] == "-"
    assert [scanned["path"] for scanned in two] == ["-#1", "-#2"]


def test_line_ends_make_no_difference(mailguard: Mailguard, threat: Path, tmp_path: Path) -> None:
    unix = tmp_path / "unix.eml"
    unix.write_bytes(threat.read_bytes().replace(b"\r\n", b"\n"))

    crlf, lf = mailguard("scan", "--json", str(threat), str(unix)).json

    assert crlf["findings"] == lf["findings"] != []


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(
    mailguard: Mailguard, threat: Path, tmp_path: Path
) -> None:
    done = mailguard("scan", "--json", str(tmp_path / "gone.eml"), str(threat))

    assert done.status == 1
    assert [scanned["path"] for scanned in done.json] == [str(threat)]
    assert f"mailguard: {tmp_path}/gone.eml: No such file or directory" in done.err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 1000,
        b"\xff\xfe" * 500,
        b"\r\n" * 300,
        b"From " + b"\n\nFrom " * 50,
        b"To: " + b'"' * 5000,
    ],
    ids=["empty", "NUL", "no text", "line ends", "From lines", "quotes"],
)
def test_any_file_whatever_is_judged(mailguard: Mailguard, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd").write_bytes(content)

    done = mailguard("scan", "--json", "--explain", str(tmp_path / "odd"))

    assert done.status == 0
    assert done.err == ""
    assert all(scanned["level"] >= 0 for scanned in done.json)


def test_a_message_that_names_nobody_is_judged(mailguard: Mailguard, tmp_path: Path) -> None:
    (tmp_path / "bare.eml").write_bytes(b"Subject: hi\n\n" + THREAT.encode())

    (scanned,) = mailguard("scan", "--json", str(tmp_path / "bare.eml")).json

    assert scanned["level"] >= 2
    assert [recipient["address"] for recipient in scanned["recipients"]] == [""]


def test_a_large_message_is_judged_like_a_small_one(mailguard: Mailguard, tmp_path: Path) -> None:
    large = mail(THREAT + "\n\n" + "We walk to the park and back again.\n" * 20_000)
    (tmp_path / "large.eml").write_bytes(large)

    (scanned,) = mailguard("scan", "--json", str(tmp_path / "large.eml")).json

    assert "THREAT_HARM_INTENT" in {finding["symbol"] for finding in scanned["findings"]}
    assert scanned["unscanned"] == []


def test_scan_writes_nothing_where_it_looks(mailguard: Mailguard, threat: Path) -> None:
    before = sorted(threat.parent.iterdir())

    mailguard("scan", str(threat.parent))

    assert sorted(threat.parent.iterdir()) == before


def test_json_names_a_file_whose_name_is_no_text(mailguard: Mailguard, tmp_path: Path) -> None:
    file = tmp_path / "caf\udce9.eml"
    file.write_bytes(mail())

    done = mailguard("scan", "--json", str(tmp_path))

    assert json.loads(done.out)["path"] == str(file)
