"""The facts about the school that detectors may know."""

from dataclasses import dataclass, field

from mailguard.scan.roll import Roll


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """Which addresses are the school's own, and how its pupils are known."""

    name: str
    domains: frozenset[str]
    """Lower case, no trailing dot; a subdomain of one counts as the school's too."""

    roll: Roll | None = field(default=None, repr=False, compare=False)
    """The pupils of the directory; None where it names none."""

    def owns(self, domain: str) -> bool:
        """Whether `domain` (lower case) is one of ours or lies below one; no label may be empty."""
        if "" in domain.split("."):
            return False
        return domain in self.domains or any(domain.endswith("." + own) for own in self.domains)
