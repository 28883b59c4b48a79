"""Who may see a held or flagged message: nobody who wrote or received it."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from mailguard.policy.directory import Directory, fold_address
from mailguard.policy.taxonomy import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The addresses of those who review, by office. What one may not see goes to the next."""

    headteacher: tuple[str, ...] = ()
    dsl: tuple[str, ...] = ()
    deputy: tuple[str, ...] = ()
    chair: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Everybody who has a part in one message."""

    addresses: tuple[str, ...]
    """Of the envelope and of the From header, in any spelling."""

    relationships: tuple[str, ...] = ()
    """``str(Relationship)`` for each recipient."""

    @property
    def is_confidential(self) -> bool:
        """A helpline or confidant has a part in it: not for the headteacher (hard rule 3)."""
        groups = {group for text in self.relationships for group in text.split("→")}
        return not groups.isdisjoint({Group.HELPLINE, Group.CONFIDANT})

    @property
    def is_of_governor(self) -> bool:
        """A governor wrote it: that is for the chair of governors."""
        return any(text.startswith(f"{Group.GOVERNOR}→") for text in self.relationships)


def may_see(person: str, parties: Parties, chain: Chain, directory: Directory) -> bool:
    """Whether `person`, an address in any spelling, may be shown this message anywhere.

    Nobody may who wrote or received it, under any address that the directory knows them by; and the
    headteacher may not where a helpline or confidant has a part.
    """
    own = directory.same_person(person)
    if not own.isdisjoint(map(fold_address, parties.addresses)):
        return False
    is_head = not own.isdisjoint(map(fold_address, chain.headteacher))
    return not (is_head and parties.is_confidential)


def reviewers_for(parties: Parties, chain: Chain, directory: Directory) -> tuple[str, ...]:
    """Return the people of the first office in line who may see the message, as configured.

    The line is headteacher, DSL, deputy, chair; for a governor's message the chair comes first.
    Empty when nobody is left: then the message waits until the school names one more person.
    """
    line = (chain.headteacher, chain.dsl, chain.deputy, chain.chair)
    return _first_who_may_see(line, parties, chain, directory)


def alerted_for(
    parties: Parties, chain: Chain, directory: Directory, *, without: Container[str] = ()
) -> tuple[str, ...]:
    """Return whom to tell at once: like :func:`reviewers_for`, but the DSL comes before the
    headteacher, and those in `without`, as configured, are passed over."""
    line = (chain.dsl, chain.headteacher, chain.deputy, chain.chair)
    return _first_who_may_see(line, parties, chain, directory, without)


def _first_who_may_see(
    line: Iterable[tuple[str, ...]],
    parties: Parties,
    chain: Chain,
    directory: Directory,
    without: Container[str] = (),
) -> tuple[str, ...]:
    for office in (chain.chair, *line) if parties.is_of_governor else line:
        people = tuple(
            person
            for person in office
            if person not in without and may_see(person, parties, chain, directory)
        )
        if people:
            return people
    return ()
