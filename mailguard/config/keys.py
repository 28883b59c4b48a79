"""The keys as a list: for the example file, the documentation, and for naming the nearest one."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel

from mailguard.config.model import Config
from mailguard.config.section import Section


def walk_keys(
    model: type[BaseModel] = Config, prefix: str = ""
) -> Iterator[tuple[str, str, str, object]]:
    """Yield every key as (dotted key, type in words, description, default), in file order."""
    for key, field in model.model_fields.items():
        section = _section_of(field.annotation)
        if section is not None:
            yield from walk_keys(section, f"{prefix}{key}.")
            continue
        default = field.get_default(call_default_factory=True)
        yield (
            prefix + key,
            _type_words(field.annotation),
            " ".join((field.description or "").split()),
            default,
        )


def _section_of(annotation: object) -> type[Section] | None:
    """The section model behind a field: a section itself, or the items of a tuple of them."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _type_words(annotation: Any) -> str:
    origin, arguments = getattr(annotation, "__origin__", None), getattr(annotation, "__args__", ())
    if origin is tuple:
        return "list of texts"
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    if origin is not None:
        return "table"
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        return " or ".join(f'"{member.value}"' for member in annotation)  # type: ignore[attr-defined]  # an Enum, as just seen
    return {bool: "true or false", int: "whole number", str: "text"}[annotation]
