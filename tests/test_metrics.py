"""Figures: counted under the right names, kept over a restart, added up; and what is not well."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mailguard import events, metrics
from mailguard.errors import (
    NextHopUnavailable,
    ScanFailed,
    SpoolUnavailable,
    StoreUnavailable,
)
from mailguard.mail.reply import Reply
from mailguard.metrics.catalogue import CATALOGUE, FAILURES, Kind, Metric
from mailguard.service.metrics import ailments

NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "figures"
    metrics.configure(folder, "service")
    yield folder
    metrics.stop()


def figures() -> dict[str, float]:
    """Every figure, by its name and labels as Prometheus would show them."""
    text = generate_latest(metrics.registry()).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def in_a_child(process: str, action: str) -> None:
    """Do this in a process of its own, as the supervisor's children do, and kill it."""
    if os.fork() == 0:
        metrics.become(process)
        eval(action)
        os.kill(os.getpid(), 9)
    os.wait()


def test_without_an_address_nothing_is_imported_and_nothing_counted() -> None:
    program = (
        "import sys; from mailguard import metrics; import mailguard.service.serve\n"
        "metrics.judged('mail', 'hold', 2, 'pupil→staff', 'held'); metrics.supervisor_seen()\n"
        "metrics.become('relay-1'); metrics.took('relay', 1.0); metrics.process_ended('jobs')\n"
        "print('prometheus_client' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


def test_a_message_is_counted_by_what_became_of_it(folder: Path) -> None:
    metrics.judged("mail", "hold", 3, "pupil→outside", "held")
    metrics.found([("threat", 3), ("abuse", 2)], ["encrypted"], alert=True)

    found = figures()
    labels = "disposition=hold,level=3,listener=mail,relationship=pupil_to_outside"
    assert 1 == found[f"mailguard_messages_total{{{labels}}}"]
    assert 1 == found["mailguard_outcomes_total{listener=mail,outcome=held}"]
    assert 1 == found["mailguard_categories_total{category=threat,level=3}"]
    assert 1 == found["mailguard_unread_total{reason=encrypted}"]
    assert 1 == found["mailguard_alerts_total{}"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NextHopUnavailable("closed"), "next_hop"),
        (SpoolUnavailable("full"), "spool"),
        (StoreUnavailable("locked"), "store"),
        (ScanFailed("none free"), "scan"),
        (TimeoutError(), "time"),
        (KeyError("x"), "other"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_is_counted_by_whose_it_was(folder: Path, error: Exception, kind: str) -> None:
    events.failed("QUEUEID", error)

    found = {name: value for name, value in figures().items() if "failures_total{kind" in name}
    assert {f"mailguard_failures_total{{kind={kind}}}"} == {n for n, v in found.items() if v}
    assert len(FAILURES) == len(found)


def test_what_events_say_is_counted(folder: Path) -> None:
    events.refused_connection("192.0.2.1", "mail", Reply.of(554, "5.7.1 No"))
    events.released("QUEUEID", "HELDID", 1, Reply.of(250, "2.0.0 Ok"))
    events.scan_worker_died("QUEUEID", "timeout")
    events.caged_reader_died("QUEUEID", "killed")
    events.job_failed("purge", ValueError())
    events.ledger_lost(7)

    found = figures()
    assert 1 == found["mailguard_refused_connections_total{code=554,listener=mail}"]
    assert 1 == found["mailguard_releases_total{outcome=released}"]
    assert 1 == found["mailguard_scan_worker_deaths_total{reason=timeout}"]
    assert 1 == found["mailguard_caged_reader_deaths_total{reason=killed}"]
    assert 1 == found["mailguard_job_failures_total{name=purge}"]
    assert 7 == found["mailguard_ledger_lost_total{}"]


def test_the_time_of_a_step_is_in_its_histogram(folder: Path) -> None:
    metrics.took("relay", 0.003)
    metrics.took("relay", 0.3)

    found = figures()
    assert 1 == found["mailguard_step_seconds_bucket{le=0.005,step=relay}"]
    assert 2 == found["mailguard_step_seconds_count{step=relay}"]
    assert 0.303 == pytest.approx(found["mailguard_step_seconds_sum{step=relay}"])


def test_a_process_that_is_started_again_goes_on_with_its_figures(folder: Path) -> None:
    in_a_child("relay-1", "metrics.next_hop_replied('mail', 250)")
    in_a_child("relay-1", "metrics.next_hop_replied('mail', 250)")
    in_a_child("relay-2", "metrics.next_hop_replied('mail', 250)")

    assert 3 == figures()["mailguard_next_hop_replies_total{code=250,command=mail}"]


def test_the_connections_of_a_killed_process_are_gone(folder: Path) -> None:
    in_a_child("relay-1", "metrics.connection_opened('mail')")
    in_a_child("relay-2", "metrics.connection_opened('mail')")
    assert 2 == figures()["mailguard_connections{listener=mail}"]

    metrics.process_ended("relay-1")

    assert 1 == figures()["mailguard_connections{listener=mail}"]


def test_a_start_of_the_whole_service_begins_anew(folder: Path) -> None:
    in_a_child("relay-9", "metrics.ledger_lost(1)")

    metrics.configure(folder, "service")

    assert 0 == figures()["mailguard_ledger_lost_total{}"]


def test_a_start_of_one_part_leaves_the_other_parts_figures(folder: Path) -> None:
    for process in ("relay-1", "jobs", "service-jobs"):
        in_a_child(process, "metrics.ledger_lost(1)")

    metrics.configure(folder, "service-relay")

    assert 2 == figures()["mailguard_ledger_lost_total{}"]


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 100], ids=["empty", "short", "odd"])
def test_a_damaged_file_hides_only_its_own_figures(folder: Path, content: bytes) -> None:
    metrics.ledger_lost(1)
    (folder / "counter_relay-7.db").write_bytes(content)

    assert 1 == figures()["mailguard_ledger_lost_total{}"]


def test_a_folder_that_cannot_be_used_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "figures").touch()

    with pytest.raises(OSError):
        metrics.configure(tmp_path / "figures", "service")

    assert not metrics.is_on()


def test_its_files_are_nobody_elses(folder: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}

    assert (0o700, {0o600}) == (folder.stat().st_mode & 0o777, modes)


def test_more_series_than_there_is_room_for_are_not_counted_and_do_no_harm(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}

    for code in range(3000):
        metrics.next_hop_replied("a command of some length", code)
    metrics.ledger_lost(1)

    assert 1 == figures()["mailguard_ledger_lost_total{}"]
    assert sizes == {path.name: path.stat().st_size for path in folder.iterdir()}


def make_well() -> None:
    for name in ("relay-1", "jobs"):
        metrics.process_started(name)
    metrics.supervisor_seen()
    metrics.database_is_up(True)
    metrics.canary_ran("mail", NOW, ok=True)
    metrics.overdue(digests=0, alerts=0)


def test_all_is_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.time, "time", lambda: NOW)
    make_well()

    assert [] == ailments(["relay-1", "jobs"], NOW + 5)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("metrics.process_ended('relay-1')", "relay-1 is not running"),
        ("metrics.database_is_up(False)", "the database cannot be read"),
        (
            "metrics.canary_ran('mail', NOW, ok=False)",
            "the last self-test of the listener mail failed",
        ),
        ("metrics.overdue(digests=1, alerts=0)", "a digest is overdue"),
        ("metrics.overdue(digests=0, alerts=1)", "an alert is overdue"),
    ],
)
def test_what_is_not_well_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, action: str, expected: str
) -> None:
    monkeypatch.setattr(metrics.time, "time", lambda: NOW)
    make_well()

    eval(action)

    assert [expected] == ailments(["relay-1", "jobs"], NOW + 5)


def test_a_supervisor_that_was_killed_is_missed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics.time, "time", lambda: NOW)
    make_well()

    assert ["the part that takes mail is not running"] == ailments(["relay-1", "jobs"], NOW + 90)


def test_a_self_test_that_no_longer_takes_place_is_missed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics.time, "time", lambda: NOW)
    make_well()
    metrics.canary_ran("mail", NOW - 50, ok=True)

    assert ["the listener mail is no longer tested"] == ailments(["jobs"], NOW + 5, canary_s=45)
    assert [] == ailments(["jobs"], NOW + 5, canary_s=60)
    assert [] == ailments(["jobs"], NOW + 5, canary_s=0)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_names_and_help_follow_the_conventions(metric: Metric) -> None:
    units = ("_seconds", "_bytes", "_info", "_total")
    bare = {"connections", "held", "own_mail_waiting", "digest_overdue", "alert_overdue"}
    yes_or_no = {"canary_ok", "database_up", "process_up"}

    assert re.fullmatch(r"mailguard_[a-z]+(_[a-z]+)*", metric.name)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    assert metric.name.endswith(units) or metric.name[10:] in bare | yes_or_no
    assert re.fullmatch(r"[A-Z0-9].*\.", metric.says)
    assert all(re.fullmatch(r"[a-z]+", label) for label in metric.labels)
    assert {"le", "quantile", "job", "instance"}.isdisjoint(metric.labels)


def test_no_two_metrics_have_one_name() -> None:
    names = [metric.name for metric in CATALOGUE]

    assert len(names) == len(set(names))
