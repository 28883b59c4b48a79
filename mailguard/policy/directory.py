"""Who an address belongs to: a person of the school, a body that the law protects, or neither."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mailguard.errors import ConfigError
from mailguard.policy.enrolment import children_by_address, enrol
from mailguard.policy.exemption import BODIES, is_lado
from mailguard.policy.people import Person, fold_address, read_directory
from mailguard.policy.taxonomy import Group
from mailguard.scan.roll import subject_id
from mailguard.scan.school import School

__all__ = ["Directory", "Pattern", "Person", "build_directory", "fold_address", "read_directory"]

LONGEST_DOMAIN = 255
"""RFC 1035 §2.3.4. A longer domain is nobody's, so looking one up takes bounded time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """An address with ``*`` for any run of characters, e.g. ``*@pupils.elmpark.example``."""

    pieces: tuple[str, ...]
    """The lower-case text before, between and after the stars."""

    @classmethod
    def of(cls, text: str) -> "Pattern":
        """Read `text`; raises ValueError with what would be right."""
        folded = text.strip().lower().rstrip(".")
        if folded.count("@") != 1 or re.search(r"\s", folded):
            raise ValueError(f"{text!r} must be like *@pupils.elmpark.example")
        if "+" in folded:
            raise ValueError(f"{text!r} has a +, and what follows that in an address is ignored")
        return cls(pieces=tuple(folded.split("*")))

    def matches(self, address: str) -> bool:
        """Whether all of a folded address fits. Each piece is looked for once, left to right."""
        first, *rest = self.pieces
        if not rest:
            return address == first
        *middle, last = rest
        at, end = len(first), len(address) - len(last)
        if end < at or not address.startswith(first) or not address.endswith(last):
            return False
        for piece in middle:
            found = address.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Everyone and everything that has a group. Made by :func:`build_directory`."""

    school: School
    """With the roll of the pupils."""

    people: Mapping[str, Person]
    """By folded address."""

    patterns: tuple[tuple[Group, Pattern], ...]
    """In order: the first that matches wins."""

    bodies: Mapping[str, Group]
    """Helplines, confidants and agencies, by folded address or by domain."""

    everyone: tuple[Person, ...] = ()
    """All lines of the directory file, pupils without an address too."""

    children: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By folded address of a parent."""

    key: bytes = field(default=b"", repr=False)
    """What subjects are made with."""

    def person(self, address: str) -> Person | None:
        """The line of the directory file about `address`, in any spelling."""
        return self.people.get(fold_address(address))

    def member_group(self, address: str) -> Group | None:
        """The group of somebody the school knows, None for anybody else.

        The file wins over patterns. An address in the school's domains that neither knows is a
        pupil until somebody says otherwise: that is the careful guess.
        """
        folded = fold_address(address)
        return self._named_group(folded) or (Group.PUPIL if self._owns(folded) else None)

    def classify(self, address: str) -> Group:
        """The group of `address` as a recipient; :attr:`Group.OUTSIDE` when it has none.

        What is said of one address wins over what is said of its domain, and a body over a person:
        a counsellor with a school address who is named as a helpline is one.
        """
        folded = fold_address(address)
        return (
            self.bodies.get(folded)
            or self._named_group(folded)
            or self._body_of_domain(folded)
            or (Group.PUPIL if self._owns(folded) else Group.OUTSIDE)
        )

    def is_ours(self, address: str) -> bool:
        """Whether `address` is in the school's domains."""
        return self._owns(fold_address(address))

    def same_person(self, address: str) -> frozenset[str]:
        """Every folded address known to be of the person who has this one.

        The file tells: lines with the same name and group, as for ``head@`` and ``j.smith@``.
        """
        folded = fold_address(address)
        known = self.people.get(folded)
        if known is None or not known.name:
            return frozenset({folded})
        identity = _identity(known)
        return frozenset(
            person.address for person in self.people.values() if _identity(person) == identity
        )

    def subject_of(self, person: Person) -> str:
        """What findings call a pupil of the directory, see :attr:`Finding.subjects`."""
        return subject_id(self.key, person.identity)

    def children_of(self, address: str) -> frozenset[str]:
        """The subjects of the pupils whose parent has `address`, in any spelling."""
        return self.children.get(fold_address(address), frozenset())

    def explain(self, address: str) -> str:
        """Why :meth:`classify` puts `address` where it does, as a sentence."""
        folded = fold_address(address)
        if folded in self.bodies:
            return "The address is that of a helpline, an adviser or an agency."
        if folded in self.people:
            return "The directory file has a line with this address."
        for _, pattern in self.patterns:
            if pattern.matches(folded):
                return f"It fits {'*'.join(pattern.pieces)} under [directory]."
        if self._body_of_domain(folded):
            return "The domain is that of a helpline, an adviser or an agency."
        if self._owns(folded):
            return "Nothing says who this is, and an unknown address of the school is a pupil's."
        return "The school does not know this address."

    def _owns(self, folded: str) -> bool:
        domain = _domain(folded)
        return bool(domain) and self.school.owns(domain)

    def _named_group(self, folded: str) -> Group | None:
        if person := self.people.get(folded):
            return person.group
        return next((group for group, pattern in self.patterns if pattern.matches(folded)), None)

    def _body_of_domain(self, folded: str) -> Group | None:
        domain = _domain(folded)
        # A school below an agency's domain is a school; a body named below a school's is a body.
        while domain and domain not in self.school.domains:
            if body := self.bodies.get(domain):
                is_confidant = body is Group.AGENCY and is_lado(folded.partition("@")[0])
                return Group.CONFIDANT if is_confidant else body
            domain = domain.partition(".")[2]
        return None


def _identity(person: Person) -> tuple[list[str], Group]:
    """The words of the name, since two spaces in a table are nobody else, and the group."""
    return person.name.casefold().split(), person.group


def _domain(folded: str) -> str:
    domain = folded.rpartition("@")[2] if "@" in folded else ""
    return domain if len(domain) <= LONGEST_DOMAIN else ""


def build_directory(
    school: School,
    *,
    people: Iterable[Person] = (),
    pupils: Sequence[str] = (),
    governors: Sequence[str] = (),
    parents: Sequence[str] = (),
    staff: Sequence[str] = (),
    helplines: Sequence[str] = (),
    confidants: Sequence[str] = (),
    agencies: Sequence[str] = (),
    key: bytes = b"",
) -> Directory:
    """Put the directory together from its file and the lists of the configuration.

    The first four lists are patterns, and the first group with one that matches wins; the last
    three are addresses or domains (with all below them) added to the built-in ones. With `key` the
    directory's school has a roll of the pupils. Raises ConfigError with every mistake.
    """
    problems: list[str] = []
    everyone = tuple(people)
    directory = Directory(
        school=replace(school, roll=enrol(everyone, key)) if key else school,
        people={person.address: person for person in everyone if person.address},
        everyone=everyone,
        children=children_by_address(everyone, key),
        key=key,
        patterns=(
            *_read_patterns(Group.PUPIL, "pupils", pupils, problems),
            *_read_patterns(Group.GOVERNOR, "governors", governors, problems),
            *_read_patterns(Group.PARENT, "parents", parents, problems),
            *_read_patterns(Group.STAFF, "staff", staff, problems),
        ),
        bodies={
            **BODIES,
            **_read_bodies(Group.AGENCY, "agencies", agencies, problems),
            **_read_bodies(Group.CONFIDANT, "confidants", confidants, problems),
            **_read_bodies(Group.HELPLINE, "helplines", helplines, problems),
        },
    )
    if problems:
        raise ConfigError(problems)
    return directory


def _read_patterns(
    group: Group, key: str, texts: Sequence[str], problems: list[str]
) -> Iterator[tuple[Group, Pattern]]:
    for text in texts:
        try:
            yield group, Pattern.of(text)
        except ValueError as error:
            problems.append(f"directory.{key}: {error}")


def _read_bodies(
    group: Group, key: str, texts: Sequence[str], problems: list[str]
) -> Mapping[str, Group]:
    bodies = {}
    for text in texts:
        body = fold_address(text.strip().removeprefix("*").removeprefix("@")).rstrip(".")
        if re.fullmatch(r"([^\s@*]+@)?[^\s@*.]+(\.[^\s@*.]+)+", body):
            bodies[body] = group
        else:
            problems.append(
                f"directory.{key}: {text!r} must be an address or a domain,"
                " like counsellor@elmpark.example or childline.org.uk"
            )
    return bodies
