"""Does MailGuard know the school, its people and its rules?"""

from collections.abc import AsyncIterator

from mailguard.cli.checks.result import Result
from mailguard.cli.ruleset import load_rules
from mailguard.config import Config
from mailguard.policy.taxonomy import Group
from mailguard.scan.lint import prove
from mailguard.service.compose import Stores
from mailguard.service.load import load_policy


async def check_school(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Which addresses are the school's, and who is to be told?"""
    domains = ", ".join(config.school.domains)
    yield Result(
        name="school",
        ok=bool(domains),
        what=f"The school's domains are {domains}." if domains else "No domain is the school's.",
        do="" if domains else "Set school.domains, or everybody is a stranger.",
    )
    people = config.people
    missing = [key for key in ("headteacher", "dsl") if not getattr(people, key)]
    yield Result(
        name="people",
        ok=bool(people.headteacher),
        what=f"Nobody is named as {' or '.join(missing)}."
        if missing
        else "Headteacher and safeguarding lead are named.",
        do=f"Set {' and '.join(f'people.{key}' for key in missing)}." if missing else "",
    )


async def check_mode(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Is anything held, and is anybody told?"""
    if config.mode == "observe":
        yield Result(
            name="mode",
            ok=True,
            what="It only observes: everything is relayed, and nothing is kept or listed, not even "
            "a child's call for help. The log says what would have been held.",
            do='Look for "disposition=hold" in the log, and set mode = "enforce" soon.',
        )
    else:
        yield Result(name="mode", ok=True, what="What offends is held.")
    yield Result(
        name="alerts",
        ok=True,
        what="Nobody is told by mail yet, of alerts or of anything else.",
        do="Look at `mailguard quarantine list` every day.",
    )


async def check_directory(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Can pupils be told from staff? Raises ConfigError for a directory file that is wrong."""
    directory = load_policy(config).directory
    known = {group for group, _ in directory.patterns}
    known |= {person.group for person in directory.people.values()}
    missing = [group for group in (Group.PUPIL, Group.STAFF) if group not in known]
    advice = (
        f"It names no {' and no '.join(missing)}, and an address of the school that it does not "
        "know is treated as a pupil's. Set directory.pupils and directory.staff."
    )
    yield Result(
        name="directory",
        ok=True,
        what=f"{len(directory.people)} people and {len(directory.patterns)} address patterns.",
        do=advice if missing else "",
    )


async def check_rules(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Do all rules load and keep their word? Raises ConfigError for one that does not load."""
    ruleset = load_rules(config).ruleset
    failures = prove(ruleset)
    yield Result(
        name="rules",
        ok=not failures,
        what=f"{len(ruleset.rules)} rules and {len(ruleset.detectors)} detectors, "
        + (f"{len(failures)} failures: {failures[0]}" if failures else "all proved."),
        do="`mailguard rules test` names each failure." if failures else "",
    )
