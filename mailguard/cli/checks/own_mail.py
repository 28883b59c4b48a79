"""Who is told of things, and did our own mail reach them?"""

from collections.abc import AsyncIterator, Iterable

from mailguard.cli.checks.result import Result, Scene, counted
from mailguard.cli.checks.storage import has_database
from mailguard.config import Config
from mailguard.flow.alarm import Alarm, Trouble, alarms
from mailguard.flow.collect import Files, open_for_nobody
from mailguard.quarantine.evidence import HELD_ID
from mailguard.report.own_mail import Kind
from mailguard.report.reference import reference_of
from mailguard.report.schedule import latest_due
from mailguard.service.compose import chain_of
from mailguard.service.digest import digest_ports, digest_setting, schedule_of
from mailguard.service.load import load_directory

NAMED = 5
"""Alarms of one kind that are told one by one."""

CASES = (Trouble.ALERT_LATE, Trouble.ALERT_UNTOLD, Trouble.NOTICE_LATE, Trouble.RETURN_LATE)
"""What is about a message, not a day."""

_LATER = "See to the next hop above; the log says `own_mail` about each attempt."
_WHAT = {
    Trouble.DIGEST_MISSING: (
        "The digest of {about} for {recipient} was not made.",
        "Start or restart the service; it makes up for it.",
    ),
    Trouble.DIGEST_LATE: ("The digest of {about} has not reached {recipient}{reply}.", _LATER),
    Trouble.DIGEST_REFUSED: (
        "The mail server refused the digest of {about} for {recipient}{reply}.",
        "Correct the address or the mail server; `mailguard digest send --again` sends it anew.",
    ),
    Trouble.DIGEST_UNKNOWN: (
        "Nobody knows whether the digest of {about} reached {recipient}{reply}.",
        "Ask them; `mailguard digest send --again` sends it anew.",
    ),
    Trouble.ALERT_LATE: (
        "The alert about {about} has not reached {recipient}{reply}.",
        "Tell them now, by telephone. " + _LATER,
    ),
    Trouble.ALERT_UNTOLD: (
        "Nobody has been told of {about}, which wants an alert.",
        "Look at it now: `mailguard quarantine show {about}`. Is the service running, and is "
        "anybody named under [people] who has no part in it? After 20 alerts in an hour they are "
        "gathered for a quarter of an hour.",
    ),
    Trouble.NOTICE_LATE: (
        "The notice about {about}, which could not be delivered to everybody, has not reached "
        "{recipient}{reply}.",
        "Correct people.technician or the mail server. " + _LATER,
    ),
    Trouble.RETURN_LATE: (
        "{recipient} has not been told that {about} was not sent because of data in it{reply}.",
        _LATER,
    ),
    Trouble.LIST_LATE: (
        "The data protection list of {about} has not reached {recipient}{reply}.",
        _LATER,
    ),
    Trouble.LIST_LOST: (
        "The mail server did not take the data protection list of {about} for {recipient}{reply}.",
        "Correct people.data_lead or the mail server. Next Monday's covers that time too; "
        "`mailguard digest preview --data` shows it now.",
    ),
}


async def check_people_told(scene: Scene) -> AsyncIterator[Result]:
    """Whom do alerts and digests go to, and who stands in?"""
    chain = chain_of(scene.config)
    alerted = chain.dsl or chain.headteacher or chain.deputy or chain.chair
    daily = chain.headteacher or chain.dsl or chain.deputy or chain.chair
    if not alerted:
        yield Result(
            name="alerts",
            ok=False,
            what="Nobody is told of anything: no alert and no digest is sent.",
            do="Set people.headteacher and people.dsl.",
        )
        return
    yield Result(
        name="alerts",
        ok=True,
        what=f"They go to {', '.join(alerted)}; the digest goes to {', '.join(daily)}.",
        do=_stand_in(scene.config),
    )


async def check_own_mail(scene: Scene) -> AsyncIterator[Result]:
    """Did what we sent arrive?"""
    if not has_database(scene):
        return
    schedule, chain = schedule_of(scene.config), chain_of(scene.config)
    now = scene.stores.clock.now()
    late = await alarms(
        scene.stores.own_mail,
        now=now,
        zone=schedule.zone,
        due=latest_due(now, schedule) if await _was_ever_sent(scene) else None,
        recipients=chain.headteacher or chain.dsl or chain.deputy or chain.chair,
    )
    for alarms_alike in _by_trouble(late):
        for alarm in alarms_alike[:NAMED]:
            yield _result(alarm)
        if (more := len(alarms_alike) - NAMED) > 0:
            yield Result(
                name="own mail",
                ok=False,
                what=f"The same is so of {more:,} more.",
                do="`mailguard quarantine list` has all cases.",
            )
    async for result in _check_unseen(scene):
        yield result
    if not late:
        yield Result(name="own mail", ok=True, what="No digest, alert or notice is late.")


async def _check_unseen(scene: Scene) -> AsyncIterator[Result]:
    """Does anything wait of which no digest can tell?"""
    setting = digest_setting(scene.config, load_directory(scene.config))
    ports = digest_ports(scene.config, scene.stores)
    unseen = await open_for_nobody(Files(ports=ports, setting=setting))
    if unseen and setting.people:
        yield Result(
            name="own mail",
            ok=False,
            what=f"{counted(len(unseen), 'message')} to review, from "
            f"{reference_of(unseen[0].id)} on, {'is' if len(unseen) == 1 else 'are'} in nobody's "
            "digest: everybody under [people] has a part in it.",
            do="Name somebody else under [people], as dsl, deputy or chair.",
        )


def _by_trouble(late: Iterable[Alarm]) -> Iterable[list[Alarm]]:
    alike: dict[Trouble, list[Alarm]] = {}
    for alarm in late:
        alike.setdefault(alarm.trouble, []).append(alarm)
    return alike.values()


async def _was_ever_sent(scene: Scene) -> bool:
    """Whether there is any digest yet: a new installation owes none for the days before it."""
    return bool(await scene.stores.own_mail.recent(Kind.DIGEST, 1))


def _result(alarm: Alarm) -> Result:
    is_case = alarm.trouble in CASES
    # An alert about a message of which there is no copy has a queue id.
    about = reference_of(alarm.about) if is_case and HELD_ID.fullmatch(alarm.about) else alarm.about
    reply = f"; the mail server said: {alarm.reply}" if alarm.reply else ""
    what, do = _WHAT[alarm.trouble]
    return Result(
        name="own mail",
        ok=False,
        what=what.format(about=about, recipient=alarm.recipient, reply=reply),
        do=do.format(about=about),
    )


def _stand_in(config: Config) -> str:
    """Advice where a case about the only one who is told would reach nobody."""
    people = config.people
    everybody = {*people.headteacher, *people.dsl, *people.deputy, *people.chair}
    if len(everybody) > 1:
        return ""
    return (
        f"Nobody stands in for {everybody.pop()}: a case in which they have a part reaches nobody. "
        "Set people.dsl, people.deputy or people.chair."
    )
