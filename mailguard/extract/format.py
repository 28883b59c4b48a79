"""The format readers that there are, found by what a file is or is called."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

from mailguard.extract import formats
from mailguard.extract.item import About, Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One reader; see :mod:`mailguard.extract.formats`."""

    name: str
    """Its module's, e.g. ``pdf``."""

    types: frozenset[str]
    endings: tuple[str, ...]
    read: Callable[[bytes, About], Iterator[Item]]
    sample: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """All readers that could be loaded."""

    readers: tuple[Format, ...]
    failed: tuple[str, ...]
    """Names of readers whose library is missing or does not fit; ``check`` reports them."""

    def by_type(self, kind: str) -> Format | None:
        """The reader of media type `kind`."""
        return next((each for each in self.readers if kind in each.types), None)

    def by_name(self, name: str) -> Format | None:
        """The reader of files called `name` (lower-case), by its longest ending."""
        found = [
            (len(ending), each)
            for each in self.readers
            for ending in each.endings
            if name.endswith(ending)
        ]
        return max(found, key=lambda pair: pair[0])[1] if found else None


def load_formats() -> Formats:
    """Import every reader."""
    readers, failed = [], []
    for module in sorted(pkgutil.iter_modules(formats.__path__), key=lambda each: each.name):
        if module.name.startswith("_"):
            continue
        try:
            readers.append(_format(importlib.import_module(f"{formats.__name__}.{module.name}")))
        except (ImportError, OSError) as error:
            # A library of the system that is not there: the others go on.
            failed.append(f"{module.name}: {error}")
    return Formats(readers=tuple(readers), failed=tuple(failed))


def _format(module: ModuleType) -> Format:
    return Format(
        name=module.__name__.rpartition(".")[2],
        types=frozenset(module.TYPES),
        endings=tuple(module.NAMES),
        read=module.read,
        sample=getattr(module, "SAMPLE", b""),
    )


FORMATS = load_formats()
