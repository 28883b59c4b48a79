"""What beats every pattern for numbers: exports, lists, files of records, many recipients, care."""

from collections.abc import Callable, Sequence
from random import Random

from mailguard.policy.people import Person
from mailguard.testing.numbers import home_address, mobile_number, nhs_number
from mailguard.testing.packages import Rows

_EXPORTS: Sequence[tuple[str, ...]] = (
    ("UPN", "Legal Surname", "Legal Forename", "DOB", "Reg Group", "SEN Status"),
    ("Surname", "Forename", "Year", "Pupil Premium", "FSM", "EAL", "Ethnicity"),
    ("Student Name", "Date of Birth", "Tutor Group", "SEN Need", "In Care"),
    ("Pupil", "UPN", "Gender", "Religion", "Home Address", "Mobile"),
    ("First Name", "Last Name", "NHS Number", "Medical", "Allergies", "Contact 1"),
    ("Name", "Year Group", "Attendance %", "Exclusions", "Date of Birth"),
)
"""Headings as SIMS, Arbor, Bromcom and school offices write them."""

_CELLS: dict[str, Callable[[Random, Person], str]] = {
    "UPN": lambda rng, pupil: pupil.upn,
    "Legal Surname": lambda rng, pupil: pupil.surname,
    "Surname": lambda rng, pupil: pupil.surname,
    "Last Name": lambda rng, pupil: pupil.surname,
    "Legal Forename": lambda rng, pupil: pupil.forename,
    "Forename": lambda rng, pupil: pupil.forename,
    "First Name": lambda rng, pupil: pupil.forename,
    "Student Name": lambda rng, pupil: pupil.name,
    "Name": lambda rng, pupil: pupil.name,
    "Pupil": lambda rng, pupil: f"{pupil.surname}, {pupil.forename}",
    "DOB": lambda rng, pupil: f"{pupil.born:%d/%m/%Y}",
    "Date of Birth": lambda rng, pupil: f"{pupil.born:%d/%m/%Y}",
    "Home Address": lambda rng, pupil: home_address(rng),
    "Mobile": lambda rng, pupil: mobile_number(rng),
    "Contact 1": lambda rng, pupil: mobile_number(rng),
    "NHS Number": lambda rng, pupil: nhs_number(rng).replace(" ", ""),
    "Year": lambda rng, pupil: str(pupil.year),
    "Year Group": lambda rng, pupil: str(pupil.year),
    "Attendance %": lambda rng, pupil: f"{rng.randrange(600, 1000) / 10}",
    "Exclusions": lambda rng, pupil: rng.choice("0012"),
    "SEN Status": lambda rng, pupil: rng.choice("NKE"),
    "SEN Need": lambda rng, pupil: rng.choice(("", "SLCN", "ASD", "MLD")),
    "Gender": lambda rng, pupil: rng.choice("FM"),
    "Ethnicity": lambda rng, pupil: rng.choice(("WBRI", "AIND", "BAFR")),
    "Religion": lambda rng, pupil: rng.choice(("None", "Christian", "Muslim", "Sikh")),
    "Medical": lambda rng, pupil: rng.choice(("", "asthma", "eczema")),
    "Allergies": lambda rng, pupil: rng.choice(("", "nuts", "eggs")),
}


def export(rng: Random, pupils: Sequence[Person]) -> Rows:
    """Ten pupils or more as a school's information system gives them out."""
    heading = rng.choice(_EXPORTS)
    return (
        heading,
        *(_row(heading, rng, pupil) for pupil in rng.sample(pupils, rng.randrange(10, 60))),
    )


def _row(heading: Sequence[str], rng: Random, pupil: Person) -> tuple[str, ...]:
    return tuple(
        _CELLS[name](rng, pupil) if name in _CELLS else rng.choice("YN") for name in heading
    )


def class_list(rng: Random, pupils: Sequence[Person]) -> Rows:
    """Names with dates of birth, or with marks, in lines without a heading."""
    listed = rng.sample(pupils, rng.randrange(12, 31))
    if rng.random() < 0.5:
        return tuple((f"{pupil.name}, {pupil.born:%d/%m/%Y}",) for pupil in listed)
    return tuple((f"{pupil.name} {rng.randrange(10, 60)}",) for pupil in listed)


def scores(rng: Random) -> Rows:
    """Names that are in no directory, with results: an athletics meeting of other schools."""
    names = ("Ana Reed", "Tom Cole", "Una Pike", "Max Brand", "Zoe Lark", "Sol Rigby", "Ida Moss")
    return tuple((f"{name} {rng.randrange(110, 190) / 10} s",) for name in rng.sample(names, 7))


_CARE = (
    "{name} has an EHCP and needs a quiet room for the visit.",
    "Could you look at {name}'s care plan before Monday? The insulin is in the office.",
    "The child protection plan for {name} was reviewed on Tuesday.",
    "{name} was diagnosed with ADHD in May and takes medication at noon.",
    "We had a MASH referral about {name} last week.",
    "{name} gets free school meals, so there is nothing to pay.",
    "{name} lives with foster carers now; please change the letter.",
    "{name} is on the SEN register and sees the speech and language therapist.",
)
_NO_CARE = (
    "{name} played the trumpet at the concert, and everybody clapped.",
    "Please tell {name} that the blue coat has been found.",
    "{name} has a dentist's appointment at two and will be back for maths.",
    "Thank you for {name}'s kind card.",
)


def care(rng: Random, pupils: Sequence[Person]) -> Rows:
    """A sentence of a special category about a pupil of the school."""
    return _about(rng, pupils, _CARE)


def no_care(rng: Random, pupils: Sequence[Person]) -> Rows:
    """A sentence about a pupil that is nobody's secret."""
    return _about(rng, pupils, _NO_CARE)


def _about(rng: Random, pupils: Sequence[Person], sentences: Sequence[str]) -> Rows:
    text = rng.choice(sentences).format(name=rng.choice(pupils).name)
    return (("Dear colleague,",), (text,), ("Thank you, Ana Reed",))


def census(rng: Random, pupils: Sequence[Person]) -> str:
    """The XML in which schools exchange records."""
    listed = "".join(
        f"<Pupil><UPN>{pupil.upn}</UPN><Surname>{pupil.surname}</Surname></Pupil>"
        for pupil in rng.sample(pupils, 12)
    )
    return f'<?xml version="1.0"?>\n<CTfile><Header/><CTFpupilData>{listed}</CTFpupilData></CTfile>'


def families(rng: Random, least: int, most: int) -> tuple[str, ...]:
    """So many addresses of parents."""
    return tuple(f"family{n}@freemail.example" for n in range(rng.randrange(least, most)))
