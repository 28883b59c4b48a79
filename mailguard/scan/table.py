"""A TOML table read key by key: each wrong, missing or unknown key is an error that names it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from mailguard.errors import RuleError
from mailguard.scan.nearest import suggest

_Choice = TypeVar("_Choice", bound=StrEnum)


class Table:
    """One table of a rule file; `name` is its dotted name, ``""`` at the top level.

    Every method raises :class:`RuleError` with the file and the key.
    """

    def __init__(self, file: str, name: str, values: object, known: Sequence[str]) -> None:
        self.file, self.name = file, name
        if not isinstance(values, dict):
            raise RuleError(file, "must be a table", name)
        self.values: Mapping[str, Any] = values
        for key in values:
            if key not in known:
                self.refuse(key, f"is not a key of a rule{suggest(key, known)}")

    def refuse(self, key: str, reason: str) -> NoReturn:
        """Raise the error for `key`."""
        raise RuleError(self.file, reason, f"{self.name}.{key}".lstrip("."))

    def has(self, key: str) -> bool:
        """Whether the file has `key` at all."""
        return key in self.values

    def value(self, key: str) -> Any:
        """The value of `key`, whatever it is; the key must be there."""
        if key not in self.values:
            self.refuse(key, "is missing")
        return self.values[key]

    def text(self, key: str) -> str:
        """The text of `key`, white space around it removed; it may not be empty."""
        value = self.value(key)
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, "must be a text that is not empty")
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of `key`, none of them twice; no text when the key is absent."""
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            self.refuse(key, "must be a list of texts")
        if len(set(values)) < len(values):
            self.refuse(key, "has an entry twice")
        return tuple(values)

    def number(self, key: str, allowed: range) -> int:
        """The whole number of `key`."""
        value = self.value(key)
        if type(value) is not int or value not in allowed:
            self.refuse(key, f"must be a whole number from {allowed[0]} to {allowed[-1]}")
        return int(value)

    def flag(self, key: str) -> bool:
        """True or false; false when the key is absent."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return value

    def choice(self, key: str, choices: type[_Choice]) -> _Choice:
        """The member of `choices` that `key` names."""
        return self.member(key, self.text(key), choices)

    def choices(self, key: str, choices: type[_Choice]) -> tuple[_Choice, ...]:
        """The members of `choices` that the list `key` names, at least one."""
        if not (values := self.texts(key)):
            self.refuse(key, f"must name at least one of {', '.join(choices)}")
        return tuple(self.member(key, value, choices) for value in values)

    def member(self, key: str, value: str, choices: type[_Choice]) -> _Choice:
        """The member of `choices` that is called `value`."""
        if value not in list(choices):
            hint = suggest(value, choices) or f"; it must be one of {', '.join(choices)}"
            self.refuse(key, f"is {value!r}{hint}")
        return choices(value)
