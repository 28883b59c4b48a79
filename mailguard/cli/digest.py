"""``mailguard digest``: see the daily summary, send it, and see what became of the last ones."""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import click

from mailguard.cli.digest_json import data_list_to_json, digest_to_json
from mailguard.cli.options import config_option, json_option, load
from mailguard.cli.output import local_time, print_facts, print_json, print_table, printable
from mailguard.cli.stores import with_stores
from mailguard.config import Config
from mailguard.errors import UserError
from mailguard.flow.collect import DigestSetting, Files, collect
from mailguard.flow.data_list import collect_data, weekly
from mailguard.flow.digest import owe_for
from mailguard.policy.directory import fold_address
from mailguard.report import data_list
from mailguard.report.data_list import DataList
from mailguard.report.digest import Digest, code_of
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.report.page import Page
from mailguard.report.render import render_html, render_text
from mailguard.report.schedule import latest_due, next_due
from mailguard.report.summary import compose_page, compose_subject
from mailguard.service.compose import Stores
from mailguard.service.digest import digest_ports, digest_setting
from mailguard.service.load import load_directory
from mailguard.service.own_mail import Sending

PATIENCE_S = 15.0
"""For a service that is sending at the same moment, and goes first."""

LOOK_EVERY_S = 0.2

GRACE_S = 5.0
"""For a reply that is under way when we are stopped."""

STANDINGS = {
    Standing.WAITING: "waiting, and tried again by the service",
    Standing.ACCEPTED: "taken by the mail server",
    Standing.REFUSED: "refused by the mail server",
    Standing.UNKNOWN: "perhaps taken: the mail server gave no last word",
    Standing.SUPERSEDED: "given up for a later one, which covers its time too",
}


class _Day(click.ParamType[date]):
    """A day as YYYY-MM-DD."""

    name = "day"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day; write it like 2026-11-23", param, ctx)


DAY = _Day()


@click.group()
def command() -> None:
    """Show the daily summary, send it, and see what became of the last ones.

    \b
    mailguard digest preview
    mailguard digest send
    mailguard digest status
    """


@command.command()
@click.option(
    "--for",
    "person",
    metavar="ADDRESS",
    help="Whose digest: somebody under [people]. Default: the headteacher.",
)
@click.option(
    "--date", "day", type=DAY, metavar="D", help="Its day, YYYY-MM-DD. Default: the last one due."
)
@click.option("--html", metavar="FILE", help="Write the HTML form to FILE too.")
@click.option("--data", "is_data", is_flag=True, help="The data protection lead's weekly list.")
@json_option
@config_option
def preview(
    person: str | None,
    day: date | None,
    html: str | None,
    is_data: bool,
    as_json: bool,
    config_file: str | None,
) -> None:
    """Show the digest as it would be now. Nothing is sent or changed.

    \b
    mailguard digest preview
    mailguard digest preview --data
    mailguard digest preview --for dsl@elmpark.example --html summary.html
    """
    config = load(config_file)
    setting = digest_setting(config, load_directory(config))
    if is_data:
        _preview_data(person, day, html, config, setting, as_json=as_json)
        return
    recipient = _find_person(person, setting)

    async def compose(stores: Stores) -> Digest:
        now = stores.clock.now()
        files = Files(ports=digest_ports(config, stores), setting=setting)
        digest, _ = await collect(recipient, day or _last_due(now, setting), now, files)
        return digest

    digest = with_stores(config, compose)
    page = compose_page(digest)
    if html:
        _write(Path(html), render_html(page))
    if as_json:
        print_json(digest_to_json(digest))
        return
    _print(compose_subject(digest), page)
    if not (digest.is_principal or digest.to_review):
        click.echo(f"\n{recipient} gets none today, since nothing in it is theirs.", err=True)


@command.command()
@click.option(
    "--date", "day", type=DAY, metavar="D", help="Its day, YYYY-MM-DD. Default: the last one due."
)
@click.option("--again", is_flag=True, help="Send another copy to everybody who gets one.")
@config_option
def send(day: date | None, again: bool, config_file: str | None) -> int:
    """Send the digest that is owed, and say what became of it for each person.

    The service does so by itself; whoever has theirs gets no second one but with --again.

    \b
    mailguard digest send
    mailguard digest send --again
    """
    config = load(config_file)
    directory = load_directory(config)
    setting = digest_setting(config, directory)
    _find_person(None, setting)
    # Where the lock is kept. Made here, it might be nobody's that the service can use.
    if not Path(config.storage.spool).is_dir():
        raise UserError(f"there is no spool at {config.storage.spool} yet; start the service once")

    async def owe_and_send(stores: Stores) -> Sequence[OwnMail]:
        now = stores.clock.now()
        wanted = day or _last_due(now, setting)
        if wanted > now.astimezone(setting.schedule.zone).date():
            raise UserError(f"{wanted} has not come yet")
        ports = digest_ports(config, stores)
        await owe_for(wanted, now, ports, setting, again=again)
        return await _send_all(wanted, stores, Sending(config, stores, directory))

    mails = with_stores(config, owe_and_send)
    for mail in mails:
        click.echo(f"{mail.about}  {mail.recipient}: {_describe(mail)}")
    return 0 if all(mail.standing is Standing.ACCEPTED for mail in mails) else 1


@command.command()
@json_option
@config_option
def status(as_json: bool, config_file: str | None) -> None:
    """Show the last digest of each person, what became of it, and when the next one is due.

    \b
    mailguard digest status
    """
    config = load(config_file)
    setting = digest_setting(config, load_directory(config))
    _find_person(None, setting)

    async def read(stores: Stores) -> tuple[datetime, list[tuple[str, OwnMail | None]]]:
        latest = [
            (person, await stores.own_mail.latest(Kind.DIGEST, person)) for person in setting.people
        ]
        return stores.clock.now(), latest

    now, latest = with_stores(config, read)
    due = next_due(now, setting.schedule)
    if as_json:
        for person, mail in latest:
            print_json(_status_to_json(person, mail, due))
        return
    zone = config.school.timezone
    print_table(
        ("person", "day", "made", "what became of it"),
        [
            (person, mail.about, local_time(mail.created, zone), _describe(mail))
            if mail
            else (person, "", "", "none so far")
            for person, mail in latest
        ],
    )
    print_facts([("next", local_time(due, zone) if due else "never: digest.days, digest.holidays")])


def _preview_data(
    person: str | None,
    day: date | None,
    html: str | None,
    config: Config,
    setting: DigestSetting,
    *,
    as_json: bool,
) -> None:
    """The same for the data lead's list, whether or not there is anything in it."""
    recipient = _find_among(person, setting.data_leads, "people.data_lead")

    async def compose(stores: Stores) -> DataList:
        now = stores.clock.now()
        files = Files(ports=digest_ports(config, stores), setting=setting)
        monday = day or latest_due(now, weekly(setting.schedule)) or now.date()
        return (await collect_data(recipient, monday, now, files))[0]

    data = with_stores(config, compose)
    page = data_list.compose_page(data)
    if html:
        _write(Path(html), render_html(page))
    if as_json:
        print_json(data_list_to_json(data))
        return
    _print(data_list.compose_subject(data), page)


def _print(subject: str, page: Page) -> None:
    click.echo(f"Subject: {printable(subject)}\n")
    for line in render_text(page).splitlines():
        click.echo(printable(line))


async def _send_all(day: date, stores: Stores, sending: Sending) -> Sequence[OwnMail]:
    """Send until each of the day's last copies has had its attempt, by us or by the service."""
    deadline = time.monotonic() + PATIENCE_S
    try:
        while True:
            await sending.send_digests()
            mails = await _last_copies(day, stores)
            is_tried = all(m.reply or m.standing is not Standing.WAITING for m in mails)
            if is_tried or time.monotonic() > deadline:
                return mails
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await sending.finish(GRACE_S)


async def _last_copies(day: date, stores: Stores) -> Sequence[OwnMail]:
    """The copies of a day that were made last."""
    found: Sequence[OwnMail] = ()
    name, number = day.isoformat(), 2
    while mails := await stores.own_mail.of(Kind.DIGEST, name):
        found, name, number = mails, f"{day.isoformat()}/{number}", number + 1
    return found


def _find_person(address: str | None, setting: DigestSetting) -> str:
    """The person of that address, or the first who gets one every day. Raises UserError."""
    if not setting.principals:
        raise UserError("nobody gets a digest; name somebody under [people], as headteacher first")
    if address is None:
        return setting.principals[0]
    return _find_among(address, setting.people, "[people]")


def _find_among(address: str | None, people: Sequence[str], where: str) -> str:
    if not people:
        raise UserError(f"nobody is named under {where}")
    if address is None:
        return people[0]
    for person in people:
        if fold_address(person) == fold_address(address):
            return person
    raise UserError(f"{address} is not named under {where}: {', '.join(people)}")


def _last_due(now: datetime, setting: DigestSetting) -> date:
    day = latest_due(now, setting.schedule)
    if day is None:
        raise UserError("no digest is ever due; see digest.days and digest.holidays, or use --date")
    return day


def _describe(mail: OwnMail) -> str:
    reply = f" ({code_of(mail.reply)})" if code_of(mail.reply) else ""
    return f"{STANDINGS[mail.standing]}{reply}"


def _status_to_json(person: str, mail: OwnMail | None, due: datetime | None) -> dict[str, object]:
    return {
        "person": person,
        "day": mail.about if mail else None,
        "standing": mail.standing.value if mail else None,
        "reply": code_of(mail.reply) if mail else None,
        "made": mail.created.isoformat() if mail else None,
        "ended": mail.ended.isoformat() if mail and mail.ended else None,
        "next": due.isoformat() if due else None,
    }


def _write(file: Path, html: str) -> None:
    """Write it for its owner's eyes only: it may hold names."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(html)
