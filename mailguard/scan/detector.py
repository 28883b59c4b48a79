"""A check as Python: what a detector module must have, how its examples are written, and loading.

A detector is one file in `scan/detectors`; being there is its whole registration. It has

* ``SYMBOLS``: a tuple of the :class:`Symbol` it can find;
* ``EXAMPLES``: a tuple of at least two :func:`match` and two :func:`no_match`;
* ``detect(view, transaction, school)``: yields its findings.

`detect` runs for every message: it looks for something cheap first. It does not log, sleep, read
files or decide. What it raises is recorded as an engine's failure, and the other checks go on.
"""

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

from mailguard.errors import RuleError
from mailguard.mail.envelope import Transaction
from mailguard.mail.text import Extract, MessageView
from mailguard.scan.example import EXAMPLES_NEEDED, Example, compose
from mailguard.scan.finding import Finding, Symbol
from mailguard.scan.school import School

_Part = TypeVar("_Part", Symbol, Example)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A detector module that has all its parts."""

    name: str
    """Name of its module in `scan/detectors`."""

    symbols: tuple[Symbol, ...]
    examples: tuple[Example, ...]
    detect: Callable[[MessageView, Transaction, School], Iterator[Finding]]
    digest: str
    """SHA-256 in hex of its source."""


def match(
    message: str | bytes, *, sniffed: Mapping[str, str] | None = None, why: str = ""
) -> Example:
    """Return an example in which the detector must find something.

    `message` is a body text, or a whole message from `scan.example.compose`; `sniffed` gives the
    media type by content of parts, by number.
    """
    return _example(message, sniffed, why, matches=True)


def no_match(
    message: str | bytes, *, sniffed: Mapping[str, str] | None = None, why: str = ""
) -> Example:
    """Return an example in which the detector must find nothing."""
    return _example(message, sniffed, why, matches=False)


def _example(
    message: str | bytes, sniffed: Mapping[str, str] | None, why: str, *, matches: bool
) -> Example:
    return Example(
        matches=matches,
        raw=compose(text=message) if isinstance(message, str) else message,
        extracts=tuple(Extract(part=p, sniffed=t) for p, t in (sniffed or {}).items()),
        why=why,
    )


def load_detectors(package: ModuleType) -> tuple[Detector, ...]:
    """Return every detector in `package`, by name; raises :class:`RuleError` naming the file."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(_load(f"{package.__name__}.{name}") for name in names)


def _load(name: str) -> Detector:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise RuleError(f"{name}.py", f"cannot be imported: {error!r}") from error
    return read_detector(module)


def read_detector(module: ModuleType) -> Detector:
    """Return the detector that `module` is; raises :class:`RuleError` for a part that it lacks."""
    file = module.__file__ or module.__name__
    symbols = _tuple_of(Symbol, module, "SYMBOLS")
    examples = _tuple_of(Example, module, "EXAMPLES")
    for kind in (True, False):
        if sum(example.matches is kind for example in examples) < EXAMPLES_NEEDED:
            made = "match" if kind else "no_match"
            raise RuleError(file, f"needs at least {EXAMPLES_NEEDED} of {made}(…)", "EXAMPLES")
    detect = getattr(module, "detect", None)
    if not callable(detect):
        raise RuleError(file, "must be a function of view, transaction and school", "detect")
    return Detector(
        name=module.__name__.rpartition(".")[2],
        symbols=symbols,
        examples=examples,
        detect=detect,
        digest=hashlib.sha256(inspect.getsource(module).encode()).hexdigest(),
    )


def _tuple_of(kind: type[_Part], module: ModuleType, name: str) -> tuple[_Part, ...]:
    parts = getattr(module, name, None)
    if not isinstance(parts, tuple) or not parts or not all(isinstance(p, kind) for p in parts):
        file = module.__file__ or module.__name__
        raise RuleError(file, f"must be a tuple of at least one {kind.__name__}", name)
    return parts
