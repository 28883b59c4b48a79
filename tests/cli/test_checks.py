"""Each check of `mailguard check` by itself: what it does, what it sees, what it leaves."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailguard.cli.checks.clock import check_clock
from mailguard.cli.checks.network import check_listeners
from mailguard.cli.checks.next_hops import check_next_hops
from mailguard.cli.checks.own_mail import check_own_mail, check_people_told
from mailguard.cli.checks.permissions import check_permissions
from mailguard.cli.checks.postfix import check_postfix
from mailguard.cli.checks.result import Check, Result, Scene
from mailguard.cli.checks.self_test import check_self_test
from mailguard.cli.checks.storage import TRIAL_DAY, check_room, check_spool
from mailguard.cli.checks.undeliverable import check_undeliverable
from mailguard.cli.checks.units import judge_units
from mailguard.cli.postfix import read_postfix
from mailguard.cli.postfix_text import compose_lines
from mailguard.config import Config, load_config
from mailguard.flow.canary import BAD_SYMBOLS
from mailguard.flow.review import close
from mailguard.flow.settle import reconcile
from mailguard.mail.envelope import Origin
from mailguard.policy.disposition import Action
from mailguard.ports import AuditEntry, CanaryRun
from mailguard.quarantine.held import HeldMessage
from mailguard.report.own_mail import Kind, OwnMail
from mailguard.report.reference import reference_of
from mailguard.service.compose import (
    Stores,
    migrate_database,
    open_stores,
    ports_of,
    review_ports,
)
from mailguard.service.jobs import NoJudge
from mailguard.service.load import shipped_rules
from mailguard.smtp.server import listen
from mailguard.store.spool import DiskSpool
from mailguard.testing import NOON
from mailguard.testing.fakes import FakeClock, FakeNextHop

Hold = Callable[..., HeldMessage]
Prepare = Callable[[Stores], Any]


def look(
    check: Check,
    config: Config,
    *,
    file: Path = Path("none"),
    prepare: Prepare | None = None,
    **stores: Any,
) -> list[Result]:
    """What one check says, after `prepare`."""

    async def run() -> list[Result]:
        opened = replace(open_stores(config), **stores)
        if prepare is not None:
            await prepare(opened)
        found = [result async for result in check(Scene(config=config, file=file, stores=opened))]
        await opened.close()
        return found

    return asyncio.run(run())


def changed(config: Config, section: str, **values: object) -> Config:
    """The configuration with other values in one section."""
    part = getattr(config, section).model_copy(update=values)
    return config.model_copy(update={section: part})


def with_listener(config: Config, **values: object) -> Config:
    """The configuration with other values in its listener."""
    return config.model_copy(update={"listeners": (config.listeners[0].model_copy(update=values),)})


class Scripted:
    """A mail server that answers each command line as it is told; others with 250."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self.answers = answers
        self.heard: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 next.example\r\n")
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self.heard.append(line.rstrip())
                writer.write(self.answers.get(line.rstrip(), b"250 Ok") + b"\r\n")
        writer.close()


def ask(config: Config, answers: dict[bytes, bytes]) -> tuple[Scripted, list[Result]]:
    """Check the next hops of `config` where the only one answers so."""
    scripted = Scripted(answers)

    async def run() -> list[Result]:
        server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        stores = open_stores(config)
        behind = with_listener(config, next_hop=(f"smtp://127.0.0.1:{port}",))
        scene = Scene(config=behind, file=Path("none"), stores=stores)
        found = [result async for result in check_next_hops(scene)]
        server.close()
        await stores.close()
        return found

    return scripted, asyncio.run(run())


RCPT_HEAD = b"RCPT TO:<head@elmpark.example>"
RCPT_DSL = b"RCPT TO:<dsl@elmpark.example>"


def test_the_next_hop_is_asked_for_headteacher_and_lead_and_nothing_is_sent(
    config: Config,
) -> None:
    scripted, (result,) = ask(config, {})

    assert result.ok
    assert "takes mail to head@elmpark.example and dsl@elmpark.example" in result.what
    assert scripted.heard[1:-1] == [
        b"MAIL FROM:<mailguard@elmpark.example>",
        RCPT_HEAD,
        RCPT_DSL,
        b"RSET",
    ]


@pytest.mark.parametrize(
    ("line", "reply", "what"),
    [
        (RCPT_HEAD, b"550 5.1.1 No such user", "It does not know head@elmpark.example: 550 5.1.1"),
        (RCPT_HEAD, b"550 unknown", "It does not know head@elmpark.example: 550 unknown"),
        (RCPT_DSL, b"450 4.2.0 Grey", "It does not take mail to dsl@elmpark.example now: 450"),
        (RCPT_DSL, b"554 5.7.1 Relay", "It refuses mail to dsl@elmpark.example: 554 5.7.1"),
        (
            b"MAIL FROM:<mailguard@elmpark.example>",
            b"553 5.1.8 Who",
            "It does not take mail from mailguard@elmpark.example: 553 5.1.8",
        ),
    ],
    ids=["unknown", "unknown without a code", "later", "refused", "sender"],
)
def test_a_next_hop_that_does_not_take_it_is_quoted_in_words(
    config: Config, line: bytes, reply: bytes, what: str
) -> None:
    _, (result,) = ask(config, {line: reply})

    assert not result.ok
    assert result.what.startswith(what)


def test_the_way_out_of_our_own_mail_is_asked_too(config: Config) -> None:
    results = look(check_next_hops, changed(config, "mail", next_hop=("smtp://127.0.0.1:9",)))

    assert [result.name for result in results] == [
        "next hop 127.0.0.1:7",
        "way out of own mail 127.0.0.1:9",
    ]


def test_an_item_that_a_killed_check_left_is_swept_at_the_next_start(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def keep(self: DiskSpool, folder: str) -> None:
        """As if killed before it came to this."""

    with monkeypatch.context() as patched:
        patched.setattr(DiskSpool, "remove", keep)
        (tmp_path / "spool").mkdir(mode=0o700)
        look(check_spool, config)
    left = [*(tmp_path / "spool" / TRIAL_DAY).iterdir()]

    async def start() -> int:
        stores = open_stores(config)
        found = await reconcile(ports_of(stores, NoJudge(), FakeNextHop(), []))
        await stores.close()
        return found.adopted

    assert len(left) == 1
    assert asyncio.run(start()) == 0
    assert not left[0].exists()


def test_a_disk_without_room_is_wrong(config: Config, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    huge = DiskSpool(tmp_path / "spool", largest_message=1 << 60)

    (room, *_) = look(check_room, config, spool=huge)

    assert not room.ok
    assert "Senders are asked to wait" in room.what


def test_who_may_connect_is_said_in_words(config: Config) -> None:
    listener = {"clients": ("127.0.0.0/8", "192.0.2.0/24"), "public": True}

    (result,) = look(check_listeners, with_listener(config, origin=Origin.OUTSIDE, **listener))

    assert result.what.endswith(
        "anyone may connect, this machine and 192.0.2.0/24 may send to any domain."
    )


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"auth": "pass", "tls": "none", "clients": ()}, "who logs in may send to any domain."),
        (
            {"protocol": "milter", "clients": ("10.0.0.0/8",)},
            "mail servers on this machine may ask.",
        ),
        (
            {"protocol": "milter", "address": "unix:/run/mailguard/milter"},
            "mail servers that may use /run/mailguard/milter may ask.",
        ),
    ],
)
def test_of_a_listener_of_another_kind_only_what_is_so_is_said(
    config: Config, fields: dict[str, object], what: str
) -> None:
    results = look(check_listeners, with_listener(config, **fields))

    assert all(result.ok for result in results)
    assert what in results[0].what


@pytest.mark.parametrize(
    ("network", "ok"),
    [
        ("10.0.0.0/15", False),
        ("10.0.0.0/16", True),
        ("2001:db8::/47", False),
        ("2001:db8::/48", True),
        ("0.0.0.0/0", False),
        ("127.0.0.0/8", True),
    ],
)
def test_a_network_wider_than_a_site_is_wrong(config: Config, network: str, ok: bool) -> None:
    (result,) = look(check_listeners, with_listener(config, clients=(network,)))

    assert result.ok is ok


def test_a_spool_that_others_may_look_into_is_wrong(
    config: Config, config_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    before = look(check_permissions, config, file=config_file)
    (tmp_path / "spool").chmod(0o750)

    (after,) = look(check_permissions, config, file=config_file)

    assert [result.ok for result in before] == [True]
    assert not after.ok
    assert after.do == f"chmod 700 {tmp_path}/spool"


def test_a_configuration_that_everybody_may_change_is_wrong(
    config: Config, config_file: Path
) -> None:
    config_file.chmod(0o666)

    (result,) = look(check_permissions, config, file=config_file)

    assert not result.ok
    assert "may change" in result.what


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("mode", "ok"), [(0o640, True), (0o644, False)])
def test_a_directory_of_people_that_everybody_may_read_is_wrong(
    config: Config, open_folder: Path, mode: int, ok: bool
) -> None:
    (open_folder / "people.csv").write_text("address,group\n")
    (open_folder / "people.csv").chmod(mode)

    (result,) = look(
        check_permissions, changed(config, "directory", file=str(open_folder / "people.csv"))
    )

    assert result.ok is ok


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_database_of_another_user_than_the_spools_is_wrong(
    config: Config, config_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    shutil.chown(tmp_path / "spool", 65534)

    (result,) = look(check_permissions, config, file=config_file)

    assert not result.ok
    assert "spool belongs to nobody, not to root" in result.what


AUDITED = AuditEntry(at=NOON, actor="mailguard", action="hold", subject="x", detail={})


@pytest.mark.parametrize(
    ("ahead", "ok"), [(timedelta(seconds=50), True), (timedelta(minutes=2), False)]
)
def test_a_clock_behind_the_audit_log_is_wrong(config: Config, ahead: timedelta, ok: bool) -> None:
    now = datetime.now(UTC)

    async def prepare(stores: Stores) -> None:
        await stores.audit.append(replace(AUDITED, at=now + ahead))

    (clock, _) = look(check_clock, config, prepare=prepare, clock=FakeClock(at=now))

    assert clock.ok is ok


def test_a_clock_before_the_build_is_wrong(config: Config) -> None:
    (clock, _) = look(check_clock, config, clock=FakeClock(at=datetime(2001, 1, 1, tzinfo=UTC)))

    assert not clock.ok
    assert "before this MailGuard was installed" in clock.what


def test_the_next_digest_is_said_as_a_day_and_a_time(config: Config) -> None:
    (_, digest) = look(check_clock, config, clock=FakeClock(at=NOON))

    assert digest.what == "The next one is due on Tuesday, 3 March 2026, at 07:30."


def run_of(failure: str = "", ago: timedelta = timedelta(0)) -> Prepare:
    async def prepare(stores: Stores) -> None:
        run = CanaryRun(at=NOON - ago, listener="mail", failure=failure)
        await stores.canary.note(run)

    return prepare


@pytest.fixture
def serving(config: Config) -> Iterator[Config]:
    """The configuration of a service that seems to run."""
    with listen("127.0.0.1", 0) as sock:
        yield with_listener(config, address=f"127.0.0.1:{sock.getsockname()[1]}")


@pytest.mark.parametrize(
    ("failure", "ago", "ok", "what"),
    [
        ("", timedelta(minutes=44), True, "The bad message was held and the good one came out"),
        ("", timedelta(minutes=46), False, "It was last tested 2 Mar 2026, 11:14:00"),
        ("It came out.", timedelta(0), False, "It failed, 2 Mar 2026, 12:00:00: It came out."),
    ],
    ids=["well", "old", "failed"],
)
def test_a_self_test_that_failed_or_is_old_is_wrong_while_the_service_runs(
    serving: Config, failure: str, ago: timedelta, ok: bool, what: str
) -> None:
    (result,) = look(check_self_test, serving, prepare=run_of(failure, ago), clock=FakeClock())

    assert result.ok is ok
    assert result.what.startswith(what)


def test_a_self_test_that_failed_is_no_mistake_where_nothing_runs(config: Config) -> None:
    (result,) = look(check_self_test, config, prepare=run_of("It came out."), clock=FakeClock())

    assert result.ok
    assert "It came out." in result.what


def test_a_self_test_that_is_switched_off_is_a_note(config: Config) -> None:
    (result,) = look(check_self_test, changed(config, "canary", minutes=0))

    assert result.ok
    assert result.do.startswith("Set canary.minutes")


def test_an_alert_that_nobody_was_told_of_is_wrong(config: Config, hold: Hold) -> None:
    held = hold(Action.SEAL)

    (result,) = look(check_own_mail, config)

    assert not result.ok
    assert f"Nobody has been told of MG-{held.id[-6:]}" in result.what


def test_many_alerts_that_nobody_was_told_of_are_counted(config: Config, hold: Hold) -> None:
    for _ in range(8):
        hold(Action.SEAL)

    results = look(check_own_mail, config)

    assert len(results) == 6
    assert results[-1].what == "The same is so of 3 more."


def test_what_nobody_may_see_is_said_to_the_technician(config: Config, hold: Hold) -> None:
    held = hold(Action.HOLD, Action.HOLD, to=("head@elmpark.example", "dsl@elmpark.example"))
    hold(Action.HOLD, to=("head@elmpark.example",))

    results = look(check_own_mail, config)

    (unseen,) = (result for result in results if "in nobody's digest" in result.what)
    assert not unseen.ok
    assert unseen.what.startswith(f"1 message to review, from MG-{held.id[-6:]} on, is in")


def test_a_new_installation_owes_no_digest_of_the_days_before_it(config: Config) -> None:
    (result,) = look(check_own_mail, config, clock=FakeClock())

    assert result.ok


def test_a_headteacher_with_nobody_to_stand_in_is_a_note(config: Config) -> None:
    (result,) = look(check_people_told, changed(config, "people", dsl=()))

    assert result.ok
    assert result.do.startswith("Nobody stands in for head@elmpark.example")


def test_nobody_to_tell_is_wrong(config: Config) -> None:
    (result,) = look(check_people_told, changed(config, "people", dsl=(), headteacher=()))

    assert not result.ok


MASTER = """
smtp inet n - n - - smtpd
  -o smtpd_proxy_filter={filter}
  -o smtpd_proxy_timeout={timeout}
127.0.0.1:7 inet n - n - - smtpd
{back}
cleanup unix n - n - 0 cleanup
"""


@pytest.fixture
def postfix(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes a configuration that `postconf` then reads."""

    def write(
        main: str = "message_size_limit = 10240000",
        *,
        filter: str = "127.0.0.1:9",  # noqa: A002
        timeout: str = "100s",
        back: str = "  -o smtpd_proxy_filter=",
    ) -> None:
        text = MASTER.format(filter=filter, timeout=timeout, back=back)
        (open_folder / "main.cf").write_text(
            "compatibility_level = 3.6\nmyhostname = a.elmpark.example\n"
            "smtpd_forbid_bare_newline = normalize\n"
            f"smtpd_authorized_xforward_hosts = 127.0.0.0/8\n{main}\n"
        )
        (open_folder / "master.cf").write_text(text)
        # postconf waits until a file is older than a second or two, in case it is being written.
        os.utime(open_folder / "main.cf", (0, 0))

    monkeypatch.setenv("MAIL_CONFIG", str(open_folder))
    return write


@pytest.mark.skipif(shutil.which("postconf") is None, reason="Postfix is not installed")
@pytest.mark.parametrize(
    ("options", "oks", "what"),
    [
        ({}, [True], "MailGuard gets the mail of smtp."),
        ({"filter": "inet:[localhost]:9"}, [True], "MailGuard gets the mail of smtp."),
        ({"filter": "127.0.0.1:99"}, [True], "None of its services hands its mail to MailGuard."),
        ({"timeout": "1m"}, [False], "smtp waits 60 s for MailGuard's answer, which may take 80"),
        ({"back": "  -o smtpd_proxy_filter=127.0.0.1:9"}, [False], "127.0.0.1:7 takes what MailGu"),
        ({"back": "  -o content_filter=x:[127.0.0.1]:99"}, [True], "MailGuard gets the mail of"),
        ({"back": "  -o content_filter=x:[127.0.0.1]:9"}, [False], "127.0.0.1:7 takes what MailGu"),
        ({"main": "message_size_limit = 0"}, [False], "smtp takes messages of any size"),
        ({"main": "message_size_limit = 99999999"}, [False], "smtp takes messages of 99,999,999"),
    ],
    ids=[
        "well",
        "spelt otherwise",
        "another filter",
        "impatient",
        "loop",
        "other",
        "loop after the queue",
        "any",
        "large",
    ],
)
def test_postfix_is_judged_by_what_it_says_of_itself(
    config: Config,
    postfix: Callable[..., None],
    options: dict[str, str],
    oks: list[bool],
    what: str,
) -> None:
    postfix(**options)

    results = look(check_postfix, config)

    assert [result.ok for result in results] == oks
    assert results[0].what.startswith(what)


@pytest.mark.skipif(shutil.which("postconf") is None, reason="Postfix is not installed")
def test_where_postfix_hands_nothing_over_the_lines_that_would_are_said(
    config: Config, postfix: Callable[..., None]
) -> None:
    postfix(filter="127.0.0.1:99")

    (result,) = look(check_postfix, config)

    assert compose_lines(config, read_postfix()).strip() in result.do


@pytest.mark.skipif(shutil.which("postconf") is None, reason="Postfix is not installed")
def test_a_filter_for_all_servers_counts_for_the_one_behind_us_too(
    config: Config, postfix: Callable[..., None]
) -> None:
    postfix("smtpd_proxy_filter = 127.0.0.1:9", back="  -o smtpd_banner=x")

    results = look(check_postfix, config)

    assert [result.what for result in results if "go round" in result.what]


ASKED = "smtpd_milters = inet:127.0.0.1:9\nnon_smtpd_milters = $smtpd_milters\n"
DEFER = "milter_default_action = tempfail\nmilter_protocol = 6\nmessage_size_limit = 10240000\n"
NO_FILTER = {"filter": "", "back": "  -o smtpd_milters="}


def as_milter(config: Config) -> Config:
    """With its listener as a milter."""
    (listener,) = config.listeners
    asked = listener.model_copy(update={"protocol": "milter", "origin": Origin.ANY})
    return config.model_copy(update={"listeners": (asked,)})


@pytest.mark.skipif(shutil.which("postconf") is None, reason="Postfix is not installed")
@pytest.mark.parametrize(
    ("main", "back", "oks", "what"),
    [
        (ASKED + DEFER, NO_FILTER, [True], "MailGuard gets the mail of smtp."),
        (DEFER, NO_FILTER, [True], "None of its services hands its mail to MailGuard."),
        (
            f"{ASKED}{DEFER}milter_default_action = accept",
            NO_FILTER,
            [False],
            "smtp has milter_default_action = accept: mail passes unread",
        ),
        (f"{ASKED}{DEFER}milter_protocol = 2", NO_FILTER, [False], "smtp has milter_protocol = 2"),
        (
            ASKED + DEFER,
            {"filter": "", "back": "  -o smtpd_banner=x"},
            [False],
            "127.0.0.1:7 takes what is released, and asks MailGuard about it again",
        ),
        (
            f"{ASKED}{DEFER}message_size_limit = 0",
            NO_FILTER,
            [False],
            "smtp takes messages of any size",
        ),
        (
            f"smtpd_milters = inet:127.0.0.1:9\n{DEFER}",
            NO_FILTER,
            [True, True],
            "MailGuard gets the mail of smtp.",
        ),
    ],
    ids=["well", "not asked", "accept", "old", "again", "any size", "not of programs"],
)
def test_a_postfix_that_asks_a_milter_is_judged_by_that(
    config: Config,
    postfix: Callable[..., None],
    main: str,
    back: dict[str, str],
    oks: list[bool],
    what: str,
) -> None:
    postfix(main, **back)

    results = look(check_postfix, as_milter(config))

    assert [result.ok for result in results] == oks
    assert results[0].what.startswith(what)


LOADED = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
UNITS = dict.fromkeys(
    ("mailguard-relay.service", "mailguard-jobs.service", "mailguard.target"), LOADED
)


@pytest.mark.parametrize(
    ("unit", "state", "what"),
    [
        ("mailguard-jobs.service", {"ActiveState": "failed"}, "mailguard-jobs.service is failed."),
        ("mailguard-jobs.service", {"LoadState": "not-found"}, "mailguard-jobs.service is not in"),
        ("mailguard.target", {"UnitFileState": "disabled"}, "mailguard.target is not enabled"),
    ],
)
def test_a_unit_that_is_not_as_it_should_be_is_wrong(
    unit: str, state: dict[str, str], what: str
) -> None:
    (result,) = judge_units({**UNITS, unit: LOADED | state})

    assert not result.ok
    assert result.what.startswith(what)


def test_units_that_are_all_well_are_said_to_be() -> None:
    (result,) = judge_units(UNITS)

    assert result.ok


NOBODY = 65534

SCHOOL = """
[school]
domains = ["elmpark.example"]
[people]
headteacher = ["head@elmpark.example"]
[[listeners]]
address = "127.0.0.1:9"
origin = "inside"
next_hop = "smtp://127.0.0.1:7"
[rules]
local = ""
disable = {disable}
[storage]
database = "sqlite:///{folder}/state/mailguard.db"
spool = "{folder}/state/spool"
cache = "{folder}/cache"
"""


@pytest.fixture
def installed(open_folder: Path) -> Path:
    """The configuration of an installation whose files belong to a user of its own."""
    file = open_folder / "mailguard.toml"
    kept = {*BAD_SYMBOLS}
    disable = sorted({rule.stem for rule in shipped_rules().glob("*/*.toml")} - kept)
    file.write_text(SCHOOL.format(folder=open_folder, disable=disable))
    state = open_folder / "state"
    (state / "spool").mkdir(parents=True, mode=0o700)
    migrate_database(load_config(file))
    for path in (state, *state.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return file


def check_as_root(file: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "mailguard", "check", "--json", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_root_checks_as_the_owner_and_leaves_no_file_of_its_own(installed: Path) -> None:
    results = {result["name"]: result for result in check_as_root(installed)}

    owners = {path.stat().st_uid for path in (installed.parent / "state").rglob("*")}
    assert results["database"]["ok"]
    assert results["spool"]["ok"]
    assert results["permissions"]["what"].endswith("are for nobody (and root) alone.")
    assert owners == {NOBODY}


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_what_only_root_can_read_or_write_is_wrong_though_root_checks(installed: Path) -> None:
    installed.chmod(0o600)
    os.chown(installed.parent / "state" / "spool", 0, 0)

    results = check_as_root(installed)

    said = [result["what"] for result in results if result["name"] == "permissions"]
    assert f"nobody may not read {installed}, so the service cannot start." in said
    assert [result["ok"] for result in results if result["name"] == "spool"] == [False]


def test_what_is_undeliverable_is_named_until_somebody_has_seen_to_it(
    config: Config, undeliver: Callable[..., HeldMessage]
) -> None:
    told = changed(config, "people", technician=("pat@it.example",))
    before = look(check_undeliverable, told)
    held = undeliver()

    async def close_it(stores: Stores) -> None:
        await close(held.id, by="Pat", reason="has left", ports=review_ports(stores))

    waiting, nobody = (look(check_undeliverable, each) for each in (told, config))
    after = look(check_undeliverable, config, prepare=close_it)

    assert [r.ok for r in (*before, *waiting, *nobody, *after)] == [True, True, False, True]
    assert waiting[0].what == (
        f"1 message could not be delivered to everybody: {reference_of(held.id)}."
    )
    assert "release" in waiting[0].do
    assert "Nobody is named to be told of it." in nobody[0].what
    assert nobody[0].do.startswith("Set people.technician.")
    assert before == after


def test_a_notice_that_no_technician_got_for_ten_minutes_is_wrong(
    config: Config, undeliver: Callable[..., HeldMessage]
) -> None:
    held = undeliver()

    async def owe(stores: Stores) -> None:
        notice = OwnMail(
            school=config.school.id,
            kind=Kind.NOTICE,
            about=held.id,
            recipient="pat@it.example",
            message_id="<notice@elmpark.example>",
            created=stores.clock.now() - timedelta(minutes=11),
            raw=b"x",
            reply="550 5.1.1 No such user",
        )
        await stores.own_mail.owe([notice])

    (late,) = look(check_own_mail, config, prepare=owe)

    assert not late.ok
    assert late.what == (
        f"The notice about {reference_of(held.id)}, which could not be delivered to everybody, has "
        "not reached pat@it.example; the mail server said: 550 5.1.1 No such user."
    )
    assert late.do.startswith("Correct people.technician or the mail server.")
