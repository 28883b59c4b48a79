"""All checks together, frozen: rules and detectors that may run, and their fingerprint."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from itertools import chain
from types import MappingProxyType

from mailguard.errors import RuleError
from mailguard.scan import detectors as shipped_detectors
from mailguard.scan.detector import Detector, load_detectors
from mailguard.scan.finding import Status, Symbol
from mailguard.scan.matcher import Matcher
from mailguard.scan.nearest import suggest
from mailguard.scan.rule import Rule
from mailguard.scan.school import School


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """Every check that judges, and the school it judges for. One thread at a time may scan."""

    rules: tuple[Rule, ...]
    """All that are not disabled, by symbol; `matcher` does not run the retired ones."""

    detectors: tuple[Detector, ...]
    """All that have a symbol that is not silent, by name."""

    silent: frozenset[str]
    """Names of symbols that are disabled or retired: no finding has one of them."""

    symbols: Mapping[str, Symbol]
    """Every known symbol by name, silent ones too: old evidence refers to them."""

    school: School
    matcher: Matcher
    fingerprint: str
    """16 hex digits: changes whenever anything that judges changes, else the same anywhere."""


def build_ruleset(
    rules: Iterable[Rule],
    *,
    school: School,
    disabled: Sequence[str] = (),
    compiled: bytes | None = None,
    detectors: Sequence[Detector] | None = None,
) -> Ruleset:
    """Put rules and the shipped detectors together; raises :class:`RuleError`.

    `disabled` are names of symbols; `compiled` is an earlier ``matcher.dump()``, used if it fits;
    `detectors` replaces the shipped ones.
    """
    if detectors is None:
        detectors = load_detectors(shipped_detectors)
    rules = sorted(rules, key=lambda rule: rule.symbol.name)
    symbols = _collect_symbols(rules, detectors)
    for name in disabled:
        if name not in symbols:
            raise RuleError("disable", f"no symbol is called {name!r}{suggest(name, symbols)}")
    silent = frozenset(disabled) | {
        name for name, symbol in symbols.items() if symbol.status is Status.RETIRED
    }
    enabled = tuple(rule for rule in rules if rule.symbol.name not in disabled)
    running = [rule for rule in enabled if rule.symbol.name not in silent]
    return Ruleset(
        rules=enabled,
        detectors=tuple(d for d in detectors if any(s.name not in silent for s in d.symbols)),
        silent=silent,
        symbols=MappingProxyType(symbols),
        school=school,
        matcher=Matcher.compile(running, compiled),
        fingerprint=_fingerprint(running, detectors, disabled),
    )


def _collect_symbols(rules: Iterable[Rule], detectors: Iterable[Detector]) -> dict[str, Symbol]:
    symbols: dict[str, Symbol] = {}
    files: dict[str, str] = {}
    of_rules = ((rule.file, rule.symbol) for rule in rules)
    of_detectors = ((f"{d.name}.py", symbol) for d in detectors for symbol in d.symbols)
    for file, symbol in chain(of_rules, of_detectors):
        if symbol.name in symbols:
            raise RuleError(file, f"{symbol.name} is also in {files[symbol.name]}", "symbol")
        symbols[symbol.name], files[symbol.name] = symbol, file
    return symbols


def _fingerprint(
    rules: Iterable[Rule], detectors: Iterable[Detector], disabled: Iterable[str]
) -> str:
    """Digest the rules, the detectors, and what they stand on: how mail is read and matched."""
    digest = hashlib.sha256(metadata.version("hyperscan").encode())
    for line in chain(
        (rule.digest for rule in rules),
        (detector.digest for detector in detectors),
        sorted(disabled),
        _sources("mailguard.mail"),
        _sources("mailguard.scan"),
    ):
        digest.update(b"\0" + line.encode())
    return digest.hexdigest()[:16]


def _sources(package: str) -> Iterable[str]:
    """Yield the digest of each module of `package`, by name."""
    files = (file for file in resources.files(package).iterdir() if file.name.endswith(".py"))
    for file in sorted(files, key=lambda file: file.name):
        yield hashlib.sha256(file.read_bytes()).hexdigest()
