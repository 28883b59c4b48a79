"""The daily summary at the terminal: shown, sent once, sent again, and followed."""

import email
import email.policy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage
from mailguard.report.reference import reference_of
from mailguard.testing import CANARY
from mailguard.testing.sink import Sink

HEAD, DSL = "head@elmpark.example", "dsl@elmpark.example"

Mailguard = Callable[..., Any]
Hold = Callable[..., HeldMessage]


@pytest.fixture
def sink(tmp_path: Path, config_file: Path) -> Iterator[Sink]:
    """A mail server behind MailGuard, which the configuration names."""
    sink = Sink(tmp_path / "arrived")
    sink.start()
    text = config_file.read_text().replace("smtp://127.0.0.1:7", f"smtp://127.0.0.1:{sink.port}")
    config_file.write_text(text)
    (tmp_path / "spool").mkdir()
    yield sink
    sink.stop()


# Preview.


def test_preview_shows_the_headteachers_digest(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    done = mailguard("digest", "preview")

    assert (0, "") == (done.status, done.err)
    assert re.match(
        r"Subject: MailGuard daily summary – \w{3} \d+ \w{3} – 1 to review \(1 today\)\n", done.out
    )
    assert f"mailguard quarantine show {reference_of(held.id)}" in done.out
    assert CANARY not in done.out


def test_preview_can_be_somebody_elses(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(sender=HEAD)

    head, dsl = mailguard("digest", "preview"), mailguard("digest", "preview", "--for", DSL)

    assert reference_of(held.id) not in head.out
    assert reference_of(held.id) in dsl.out


def test_preview_says_when_that_person_gets_none(mailguard: Mailguard, config: object) -> None:
    done = mailguard("digest", "preview", "--for", DSL.upper())

    assert 0 == done.status
    assert f"{DSL} gets none today" in done.err


def test_preview_for_a_stranger_names_those_who_get_one(
    mailguard: Mailguard, config: object
) -> None:
    done = mailguard("digest", "preview", "--for", "ava@pupils.elmpark.example")

    assert (1, "") == (done.status, done.out)
    assert f"is not named under [people]: {HEAD}, {DSL}" in done.err


def test_preview_writes_the_html_for_its_owner_only(
    mailguard: Mailguard, hold: Hold, tmp_path: Path
) -> None:
    held = hold()
    file = tmp_path / "summary.html"

    done = mailguard("digest", "preview", "--html", f"{file}")

    assert 0 == done.status
    assert reference_of(held.id) in file.read_text("utf-8")
    assert 0o600 == file.stat().st_mode & 0o777


def test_preview_as_data_has_the_facts_and_nothing_more(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(Action.HOLD, to=("x@far.example",))

    done = mailguard("digest", "preview", "--date", "2026-03-02", "--json")

    (digest,) = done.json
    (item,) = digest["today"]
    assert "2026-03-02" == digest["day"]
    assert reference_of(held.id) == item["reference"]
    assert (["abuse"], ["A sentence."]) == (item["categories"], item["reasons"])
    assert (["inbound"], []) == (digest["system"]["blind_to"], digest["system"]["unseen"])
    assert CANARY not in done.out
    assert "far.example" not in done.out


def test_a_day_that_is_none_is_a_mistake_of_usage(mailguard: Mailguard, config: object) -> None:
    done = mailguard("digest", "preview", "--date", "Tuesday")

    assert 2 == done.status
    assert "write it like 2026-11-23" in done.err


def test_preview_changes_nothing(mailguard: Mailguard, hold: Hold) -> None:
    hold()
    mailguard("digest", "preview")

    assert [None] * 2 == [each["day"] for each in mailguard("digest", "status", "--json").json]


# Send.


def test_send_mails_what_is_owed_and_says_to_whom(
    mailguard: Mailguard, hold: Hold, sink: Sink
) -> None:
    held = hold(sender=HEAD)

    done = mailguard("digest", "send")

    assert (0, "") == (done.status, done.err)
    assert [HEAD, DSL] == [line.split()[1].rstrip(":") for line in done.out.splitlines()]
    assert 2 == done.out.count("taken by the mail server (250")
    by_person = {
        delivered.recipients[0].address: delivered.file.read_bytes() for delivered in sink.delivered
    }
    assert reference_of(held.id).encode() in by_person[DSL]
    assert reference_of(held.id).encode() not in by_person[HEAD]


def test_what_arrives_is_the_digest_in_both_forms(
    mailguard: Mailguard, hold: Hold, sink: Sink
) -> None:
    hold()
    shown = mailguard("digest", "preview").out
    mailguard("digest", "send")

    message = email.message_from_bytes(sink.messages()[0], policy=email.policy.default)
    plain, html = (part.get_content() for part in message.iter_parts())
    assert "auto-generated" == message["Auto-Submitted"]
    assert f"Subject: {message['Subject']}" == shown.splitlines()[0]
    assert [line for line in plain.splitlines() if "show MG-" in line] == [
        line for line in shown.splitlines() if "show MG-" in line
    ]
    assert html.startswith("<!DOCTYPE html>")
    assert CANARY not in plain + html


def test_nobody_gets_a_second_one(mailguard: Mailguard, config: object, sink: Sink) -> None:
    first, second = mailguard("digest", "send"), mailguard("digest", "send")

    assert (0, 0) == (first.status, second.status)
    assert first.out == second.out
    assert 1 == len(sink.delivered)


def test_again_sends_another_copy_with_an_id_of_its_own(
    mailguard: Mailguard, config: object, sink: Sink
) -> None:
    mailguard("digest", "send")

    done = mailguard("digest", "send", "--again")

    assert 0 == done.status
    assert re.match(r"\d{4}-\d\d-\d\d/2  head@elmpark.example: taken", done.out)
    ids = [email.message_from_bytes(raw)["Message-ID"] for raw in sink.messages()]
    assert 2 == len(ids) == len(set(ids))


def test_two_who_send_at_once_send_one(config: object, sink: Sink) -> None:
    command = [sys.executable, "-m", "mailguard", "digest", "send"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    said = [process.communicate(timeout=60)[0] for process in both]

    assert [0, 0] == [process.returncode for process in both]
    assert said[0] == said[1]
    assert 1 == len(sink.delivered)


def test_a_mail_server_that_is_down_is_said_and_counts_as_failure(
    mailguard: Mailguard, hold: Hold
) -> None:
    hold()

    done = mailguard("digest", "send")

    assert 1 == done.status
    assert "head@elmpark.example: waiting, and tried again by the service" in done.out


def test_before_the_service_ever_ran_nothing_is_sent(mailguard: Mailguard, config: object) -> None:
    done = mailguard("digest", "send")

    assert 1 == done.status
    assert "start the service once" in done.err


def test_a_day_to_come_is_not_sent(mailguard: Mailguard, config: object, sink: Sink) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()

    done = mailguard("digest", "send", "--date", f"{tomorrow}")

    assert 1 == done.status
    assert "has not come yet" in done.err
    assert [] == sink.delivered


# Status.


def test_status_shows_the_last_one_of_each_person_and_the_next(
    mailguard: Mailguard, config: object, sink: Sink
) -> None:
    mailguard("digest", "send")

    done, data = mailguard("digest", "status"), mailguard("digest", "status", "--json").json

    assert "taken by the mail server" in done.out
    assert "none so far" in done.out
    assert re.search(r"^next  \d+ \w{3} \d{4}, 07:30:00$", done.out, re.MULTILINE)
    assert [(HEAD, "accepted"), (DSL, None)] == [
        (each["person"], each["standing"]) for each in data
    ]


@pytest.mark.parametrize(
    "words", [("preview",), ("send",), ("status",)], ids=lambda words: words[0]
)
def test_where_nobody_is_named_it_says_whom_to_name(
    mailguard: Mailguard, config_file: Path, config: object, words: tuple[str, ...]
) -> None:
    text = config_file.read_text()
    config_file.write_text(re.sub(r"\[people\]\n.*\n.*\n", "", text))

    done = mailguard("digest", *words)

    assert 1 == done.status
    assert "name somebody under [people], as headteacher first" in done.err


@pytest.mark.parametrize("words", [("preview",), ("send",)], ids=lambda words: words[0])
def test_without_a_school_day_it_says_what_to_correct(
    mailguard: Mailguard, config_file: Path, config: object, words: tuple[str, ...]
) -> None:
    (config_file.parent / "spool").mkdir()
    with config_file.open("a") as file:
        file.write("[digest]\ndays = []\n")

    done = mailguard("digest", *words)

    assert 1 == done.status
    assert "no digest is ever due; see digest.days" in done.err


# The data protection lead's list.


def test_the_data_leads_list_can_be_looked_at_at_any_time(
    mailguard: Mailguard, hold: Hold, config_file: Path
) -> None:
    text = config_file.read_text()
    config_file.write_text(
        text.replace("[people]", '[people]\ndata_lead = ["dpo@elmpark.example"]')
    )
    held = hold(Action.RETURN)

    shown = mailguard("digest", "preview", "--data")
    data = json.loads(mailguard("digest", "preview", "--data", "--json").out)

    assert (0, "") == (shown.status, shown.err)
    assert "Subject: MailGuard data protection list" in shown.out
    assert CANARY not in shown.out
    (entry,) = data["returned"]
    assert (reference_of(held.id), None, True) == (
        entry["reference"],
        entry["reason"],
        entry["told"],
    )


def test_without_a_data_lead_there_is_no_list_to_look_at(mailguard: Mailguard, hold: Hold) -> None:
    hold()

    done = mailguard("digest", "preview", "--data")

    assert (1, True) == (done.status, "people.data_lead" in done.err)
