"""The labelled set: messages of which it is known what is in them, the same for the same seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from mailguard.policy.people import Person
from mailguard.testing.carriers import CARRIERS, Carrier, Shape, compose_message
from mailguard.testing.identifiers import GENERATORS, Identifier
from mailguard.testing.lookalikes import LOOKALIKES, Lookalike
from mailguard.testing.packages import Rows, workbook
from personal_data import leaks
from personal_data.letters import fill, write_letter, write_table
from personal_data.school import OUTSIDE


class Label(StrEnum):
    """What a message is in the set for."""

    VALID = "valid"
    """It must be found."""

    NEAR_MISS = "near miss"
    """Wrong in one character, where a right one would have to be found."""

    LOOKALIKE = "look-alike"
    ORDINARY = "ordinary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message."""

    label: Label
    kind: str
    """Of which identifier, leak or look-alike."""

    carrier: str
    raw: bytes
    symbol: str = ""
    """What must be found; empty where nothing may be."""

    wanted: frozenset[str] = frozenset()
    """Of these one must be found: two checks share the words of a password for the Wi-Fi."""

    also: frozenset[str] = frozenset()
    """What is there too, and need not be found."""

    holds_all: bool = False
    """A list of people, with numbers of every kind in it."""

    to: tuple[str, ...] = (OUTSIDE,)

    def holds(self, symbol: str) -> bool:
        """Whether it is right to find this."""
        return self.holds_all or symbol in self.wanted or symbol in self.also


PEOPLE = (
    "Ana Reed",
    "Tom Cole",
    "Una Pike",
    "Max Brand",
    "Zoe Lark",
    "Sol Rigby",
    "Ida Moss",
    "Joe Tarn",
    "Eva Croft",
    "Ned Hale",
    "Amy Rook",
    "Lou Birch",
)
"""In no directory, so that nothing but the number tells."""

_CREDENTIALS = frozenset(
    f"CREDENTIALS_{name}" for name in ("PASSWORD", "WIFI", "KEY", "SEED", "TABLE")
)
_CLASS_LIST = frozenset({"CLASS_LIST"})
"""What twelve names with dates of birth are, too."""

_HEADINGS: Mapping[str, str] = {
    "isbn10": "ISBN",
    "isbn13": "ISBN",
    "service_phone": "Helpline",
    "order": "Order Number",
    "invoice": "Invoice",
    "loyalty_card": "Reader",
    "score": "Score",
    "date": "Date",
    "product": "Product",
    "tracking": "Tracking",
    "room": "Room",
    "mark": "Mark",
    "money": "Paid",
}


def build_set(seed: int, pupils: Sequence[Person], letters: int) -> Iterator[Sample]:
    """Yield the set: each identifier and look-alike in each carrier, what schools leak, and so many
    ordinary letters."""
    rng = Random(seed)
    for shape, carrier in _places():
        for identifier in GENERATORS.values():
            for make, label in _sides(identifier, shape):
                yield _identified(rng, identifier, carrier, shape, make, label)
        for lookalike in LOOKALIKES.values():
            yield _alike(rng, lookalike, carrier, shape)
    yield from _leaks(rng, pupils)
    for _ in range(letters):
        yield _ordinary(rng)


def _places() -> Iterator[tuple[Shape, Carrier]]:
    for carrier in CARRIERS.values():
        for shape in carrier.shapes:
            named = f"{carrier.name} table" if len(carrier.shapes) > 1 and shape == "table" else ""
            yield shape, replace(carrier, name=named or carrier.name)


def _sides(identifier: Identifier, shape: Shape) -> Iterator[tuple[Callable[[Random], str], Label]]:
    yield from ((identifier.valid, Label.VALID) for _ in range(2))
    # Whatever stands in a column of passwords is one.
    if shape == "prose" or identifier.symbol not in _CREDENTIALS:
        yield identifier.near_miss, Label.NEAR_MISS


def _identified(
    rng: Random,
    identifier: Identifier,
    carrier: Carrier,
    shape: Shape,
    make: Callable[[Random], str],
    label: Label,
) -> Sample:
    if shape == "table":
        rows = _column(rng, identifier.heading, make)
    else:
        rows = _sentence(rng, rng.choice(identifier.contexts).replace("{}", make(rng)))
    sample = Sample(
        label=label,
        kind=identifier.name,
        carrier=carrier.name,
        raw=compose_message(carrier, rows),
    )
    if label is not Label.VALID:
        return sample
    symbol = identifier.symbol
    wanted = _CREDENTIALS if symbol in _CREDENTIALS else frozenset({symbol})
    also = _CLASS_LIST if symbol == "BIRTH_DATE" else frozenset()
    return replace(sample, symbol=symbol, wanted=wanted, also=also)


def _alike(rng: Random, lookalike: Lookalike, carrier: Carrier, shape: Shape) -> Sample:
    if shape == "table":
        return _innocent(
            lookalike.name, carrier, _column(rng, _HEADINGS[lookalike.name], lookalike.make)
        )
    sentence = rng.choice(lookalike.contexts).replace("{}", lookalike.make(rng))
    return _innocent(lookalike.name, carrier, _sentence(rng, sentence))


def _innocent(kind: str, carrier: Carrier, rows: Rows, label: Label = Label.LOOKALIKE) -> Sample:
    raw = compose_message(carrier, rows)
    return Sample(label=label, kind=kind, carrier=carrier.name, raw=raw)


def _sentence(rng: Random, sentence: str) -> Rows:
    """A sentence in the middle of an ordinary letter."""
    before = fill("The {subject} room is free on {date}.", rng)
    after = fill("See you on Monday in {place}.", rng)
    return ("Hello,",), (before,), (sentence,), (after,), ("Ana",)


def _column(rng: Random, heading: str, make: Callable[[Random], str]) -> Rows:
    people = rng.sample(PEOPLE, rng.choice((1, 2, 4, 12)))
    return ("Name", heading, "Done"), *((name, make(rng), rng.choice("YN")) for name in people)


def _leaks(rng: Random, pupils: Sequence[Person]) -> Iterator[Sample]:
    for shape, carrier in _places():
        if shape == "table":
            for _ in range(3):
                rows = leaks.export(rng, pupils)
                yield _leak("export", "PUPIL_EXPORT", carrier, rows, is_list=True)
        else:
            yield from _written(rng, pupils, carrier)
            yield from _written(rng, pupils, carrier)
    for n in range(20):
        yield from _addressed(rng)
        sheets = {"Summary": (("Class", "Pupils"), ("4B", "30")), "Data": leaks.export(rng, pupils)}
        hidden = _file("xlsx", "hidden.xlsx", workbook(sheets, hidden=("Data",)))
        yield _leak("export", "PUPIL_EXPORT", hidden, (), is_list=True)
        name = f"8012000_CTF_8013000_{n:03}.xml" if n % 2 else "pupils.xml"
        census = _file("xml", name, leaks.census(rng, pupils).encode())
        yield _leak("census file", "CENSUS_FILE", census, (), is_list=True)


def _written(rng: Random, pupils: Sequence[Person], carrier: Carrier) -> Iterator[Sample]:
    listed = leaks.class_list(rng, pupils)
    yield _leak("class list", "CLASS_LIST", carrier, listed, is_list=True)
    yield _leak("special category", "SPECIAL_CATEGORY", carrier, leaks.care(rng, pupils))
    yield _innocent("athletics", carrier, leaks.scores(rng))
    yield _innocent("praise", carrier, leaks.no_care(rng, pupils))


def _addressed(rng: Random) -> Iterator[Sample]:
    many, few = leaks.families(rng, 15, 40), leaks.families(rng, 2, 8)
    body = CARRIERS["body"]
    raw = compose_message(body, write_letter(rng), to=many)
    leak = _leak("many recipients", "BULK_RECIPIENTS", body, write_letter(rng))
    yield replace(leak, raw=raw, to=many)
    raw = compose_message(body, write_letter(rng), to=few)
    yield replace(_innocent("few recipients", body, ()), raw=raw, to=few)


def _file(carrier: str, filename: str, content: bytes) -> Carrier:
    return replace(CARRIERS[carrier], filename=filename, pack=lambda rows: content)


def _leak(kind: str, symbol: str, carrier: Carrier, rows: Rows, *, is_list: bool = False) -> Sample:
    return Sample(
        label=Label.VALID,
        kind=kind,
        carrier=carrier.name,
        raw=compose_message(carrier, rows),
        symbol=symbol,
        wanted=frozenset({symbol}),
        holds_all=is_list,
    )


def _ordinary(rng: Random) -> Sample:
    # Most mail has no attachment.
    shape, carrier = rng.choice([*_places(), *[("prose", CARRIERS["body"])] * 20])
    rows = write_letter(rng) if shape == "prose" else write_table(rng)
    letter = _innocent("letter" if shape == "prose" else "table", carrier, rows, Label.ORDINARY)
    # Those of offices, and counted like any.
    return replace(letter, also=frozenset({"PHONE_NUMBER"}))
