"""Does MailGuard know the school, its people and its rules?"""

from collections.abc import AsyncIterator
from pathlib import Path

from mailguard.cli.checks.result import Result, Scene, counted
from mailguard.flow.canary import BAD_SYMBOLS
from mailguard.policy.taxonomy import Group
from mailguard.scan.lint import prove
from mailguard.service.load import load_policy, load_ruleset, school_of


async def check_school(scene: Scene) -> AsyncIterator[Result]:
    """Which addresses are the school's, and who is to be told?"""
    domains = ", ".join(scene.config.school.domains)
    yield Result(
        name="school",
        ok=bool(domains),
        what=f"The school's domains are {domains}." if domains else "No domain is the school's.",
        do="" if domains else "Set school.domains, or everybody is a stranger.",
    )
    people = scene.config.people
    missing = [key for key in ("headteacher", "dsl") if not getattr(people, key)]
    yield Result(
        name="people",
        ok=bool(people.headteacher),
        what=f"Nobody is named as {' or '.join(missing)}."
        if missing
        else "Headteacher and safeguarding lead are named.",
        do=f"Set {' and '.join(f'people.{key}' for key in missing)}." if missing else "",
    )


async def check_mode(scene: Scene) -> AsyncIterator[Result]:
    """Is anything held?"""
    if scene.config.mode == "observe":
        yield Result(
            name="mode",
            ok=True,
            what="It only observes: everything is relayed, and nothing is kept or listed, not even "
            "a child's call for help. The log says what would have been held.",
            do='Look for "disposition=hold" in the log, and set mode = "enforce" soon.',
        )
    else:
        yield Result(name="mode", ok=True, what="What offends is held.")


async def check_directory(scene: Scene) -> AsyncIterator[Result]:
    """Can pupils be told from staff? Raises ConfigError for a directory file that is wrong."""
    directory = load_policy(scene.config).directory
    known = {group for group, _ in directory.patterns}
    known |= {person.group for person in directory.everyone}
    missing = [group for group in (Group.PUPIL, Group.STAFF) if group not in known]
    advice = (
        f"It names no {' and no '.join(missing)}, and an address of the school that it does not "
        "know is treated as a pupil's. Set directory.pupils and directory.staff."
    )
    yield Result(
        name="directory",
        ok=True,
        what=f"{counted(len(directory.everyone), 'person', 'people')} and "
        f"{counted(len(directory.patterns), 'address pattern')}.",
        do=advice if missing else "",
    )


async def check_rules(scene: Scene) -> AsyncIterator[Result]:
    """Do all rules compile and keep their word? Raises ConfigError for one that does not load."""
    rules = scene.config.rules
    # What is proved is what the service uses: compiled before or now, from exactly these patterns.
    ruleset = load_ruleset(
        school=school_of(scene.config),
        local=Path(rules.local) if rules.local else None,
        disabled=rules.disable,
        cache=Path(scene.config.storage.cache),
    ).ruleset
    failures = prove(ruleset)
    in_use = len(ruleset.symbols.keys() - ruleset.silent)
    yield Result(
        name="rules",
        ok=not failures,
        what=f"{len(ruleset.rules)} rules and {len(ruleset.detectors)} detectors "
        f"({in_use} symbols in use), "
        + (f"{len(failures)} failures: {failures[0]}" if failures else "all proved."),
        do="`mailguard rules test` names each failure." if failures else "",
    )
    if set(BAD_SYMBOLS) <= set(rules.disable):
        yield Result(
            name="rules",
            ok=True,
            what="Every rule that the self-test's bad message breaks is switched off.",
            do=f"Take one of {', '.join(BAD_SYMBOLS)} out of rules.disable, or the test fails.",
        )


async def check_configuration(scene: Scene) -> AsyncIterator[Result]:
    """After the others of this file: none of them has found a mistake in it."""
    yield Result(name="configuration", ok=True, what="No mistakes found.")
