"""Ordinary school mail of our own making: nothing in it may raise an alarm.

It is full of what looks like personal data and is none: numbers of orders, books, rooms and buses,
dates that nobody was born on, talk about passwords, checks and plans, telephones of offices.
"""

import re
from collections.abc import Callable, Mapping
from random import Random

from mailguard.testing.lookalikes import LOOKALIKES
from mailguard.testing.packages import Rows

STAFF = ("Mr Ashdown", "Mrs Kettle", "Miss Okafor", "Dr Lindley", "Ms Varga", "Mr Prior")
FORENAMES = ("Cara", "Ben", "Dina", "Elif", "Faye", "Gus", "Hana", "Ivo", "Jia", "Kofi", "Lena")
SURNAMES = ("Finch", "Holt", "Okoro", "Stone", "Penrose", "Weir", "Marsh", "Thorne", "Vale", "Ash")
_PLACES = ("the museum", "Heron Wood", "the science centre", "the leisure centre", "the theatre")
_SUBJECTS = ("Maths", "English", "History", "Science", "Art", "Music", "French", "PE")
_TOWNS = ("Elmham", "Millbrook", "Ashford Vale", "Oakley")

_SLOTS: Mapping[str, Callable[[Random], str]] = {
    "teacher": lambda rng: rng.choice(STAFF),
    "child": lambda rng: rng.choice(FORENAMES),
    "place": lambda rng: rng.choice(_PLACES),
    "subject": lambda rng: rng.choice(_SUBJECTS),
    "town": lambda rng: rng.choice(_TOWNS),
    "year": lambda rng: f"Year {rng.randrange(1, 12)}",
    "class": lambda rng: f"{rng.randrange(1, 7)}{rng.choice('ABK')}",
    "time": lambda rng: f"{rng.randrange(8, 17)}:{rng.choice(('00', '15', '30', '45'))}",
    "price": lambda rng: f"£{rng.randrange(2, 60)}.{rng.choice(('00', '50', '95'))}",
    "percent": lambda rng: f"{rng.randrange(40, 99)}%",
    "page": lambda rng: str(rng.randrange(3, 200)),
    "count": lambda rng: str(rng.randrange(11, 600)),
    "url": lambda rng: (
        f"https://book.finch.example/e/{rng.getrandbits(64):016x}?id={rng.randrange(10**9, 10**10)}"
    ),
    "serial": lambda rng: f"{rng.choice(('5CG', 'PF', 'C02'))}{rng.getrandbits(28):07X}",
    "mac": lambda rng: ":".join(f"{rng.randrange(256):02x}" for _ in range(6)),
    "paper": lambda rng: f"{rng.randrange(8000, 9000)}/{rng.randrange(1, 4)}{rng.choice('FH')}",
    "centre": lambda rng: str(rng.randrange(10000, 99999)),
    "vat": lambda rng: (
        f"GB {rng.randrange(100, 999)} {rng.randrange(1000, 9999)} {rng.randrange(10, 99)}"
    ),
    "landline": lambda rng: f"0{rng.choice(('1632 960', '113 496 0'))}{rng.randrange(100, 999)}",
    **{name: look.make for name, look in LOOKALIKES.items()},
}
"""What stands for each ``{name}``."""

_PROSE = (
    "Dear parents,\n{year} will visit {place} on {date}. The coach leaves at {time} and is back by "
    "{time}. The cost is {price}; please pay online by {date}.\nYour child needs a packed lunch, a "
    "coat and any medication that they usually take to school.",
    "Lunch this week: soup on Monday, pasta on Tuesday, pie on Wednesday, fish on Friday, {price} a"
    " day. The kitchen is nut free. Please tell the office about allergies by {date}.",
    "What a match! {year} won {score} against {town}, with two goals from {child} and one from "
    "{child}. The return match is on {date} at {time}; last year it ended {score}.",
    "Homework for {class}: pages {page} to {page} of the red book (ISBN {isbn13}), questions 1 to "
    "12. Due on {date}. {teacher} is in room {room} at lunch for anybody who is stuck.",
    "Please find attached invoice {invoice} of {date} for {money}. Your customer number is {order},"
    " our VAT registration is {vat}. Payment terms are 30 days. Questions: ring {service_phone}.",
    "Thank you for your order {order}. {count} glue sticks, product code {product}, were sent today"
    " by parcel {tracking}. The total was {money}. Returns within 14 days of {date}.",
    "The projector in {room} is broken again. The firm wants the part number {product} and the "
    "serial number {serial}. Their job reference is {order}. Could {teacher} move to room {room}?",
    "Staff training on {date}: all new staff bring their DBS certificate to the office, where it is"
    " seen and not copied. National Insurance and payroll questions to {teacher}, please.",
    "The review of our SEND policy is on {date}. It explains what an EHC plan is, who may ask for "
    "an assessment, and how pupil premium money is spent: {money} this year, for {count} children.",
    "Please remember to choose a strong password and never to share it. The password rules are on "
    "the wall of {room}. Whoever has forgotten theirs asks IT for a new one, in person.",
    "The wifi was away this morning and is back. The wifi key will change on {date}; it is not sent"
    " by mail, please collect it from the office.",
    "Exams: paper {paper} is in {room} on {date} at {time}, paper {paper} in {room} at {time}. Our "
    "centre number is {centre}. Candidates bring two black pens; candidate numbers are on the desk"
    " labels.",
    "We are looking for a teaching assistant, {class}, 25 hours a week, scale point 5, {money} a "
    "year. Closing date {date}. For a visit ring the school on {landline}. We are committed to "
    "safeguarding; the post needs an enhanced DBS check.",
    "The summer fair made {money}, of which {money} came from the cake stall. {count} tickets were "
    "sold; the winning ticket is number {order}. Thank you to everybody who helped.",
    "Swimming begins on {date}. The pool is in Station Road, {town}. Bring a towel and a pound coin"
    " for the locker. Children who were ill stay at home for two days.",
    "Agenda for {date}, {time}: 1. Minutes. 2. Budget, {money}. 3. Attendance, now {percent}. "
    "4. Exclusions: none. 5. Policies: confidentiality, child protection, medical needs. 6. AOB.",
    "Parents' evening is on {date}. Book your time here: {url}\nThe link is good until {date}. If "
    "you cannot come, {teacher} will ring you.",
    "In maths we looked at very large numbers: is {isbn10} a multiple of 11? What is {order} times "
    "{page}? {child} found that {score} is no fraction, and {mark} is.",
    "Results of the mock: the average was {mark}, the best {mark}. {percent} of {year} passed "
    "{subject}, last year {percent}. Well done!",
    "Photographs are ready. To order, go to {url} and use your order number {order}. The last day "
    "is {date}; prints are {price} each.",
    "Next term's author is coming to {town} on {date}. The library has {count} copies of the new "
    "book ({isbn10}) at {price}. Ring the shop on {service_phone} to keep one.",
    "Good morning all, reports go out on {date}. Please check spelling, and that dates of birth and"
    " UPN columns are hidden before anything is printed. {teacher} has the template.",
    "The bus 4{page} leaves from stop {room} at {time}. Season tickets cost {money}; the helpline "
    "of the bus company is {service_phone}, reference {order}.",
    "Thank you so much for the lovely visit. The children still talk about it. {child} in {class} "
    "wrote a poem, which I will bring on {date}.\nSee you at {time} in {room}!",
    "Hi {teacher},\nplease could you swap duty with me on {date}? I have the dentist at {time}.\n"
    "Thanks!\n\nOn Monday, 2 March 2026, {teacher} wrote:\n> The rota is in {room}.\n> Break is at "
    "{time}, lunch at {time}.\n",
    "Our phones do not work today. For urgent matters use {landline}; for absence the form at {url}"
    ". BT's fault number is {order}, and they hope for {date}.",
    "Insurance renewal: policy number {product}, premium {money}, from {date}. The minibus is "
    "covered for all drivers over 25 with a full driving licence held for three years.",
    "For the trip to France each child needs a passport that is valid until {date}. Bring passports"
    " to {room} on {date}; we do not need copies. The hotel's number is {service_phone}.",
)

_TABLES = (
    (
        ("Period", "Monday", "Tuesday", "Wednesday"),
        ("{time}", "{subject}", "{subject} {room}", "{subject}"),
    ),
    (
        ("Title", "ISBN", "Copies", "Price"),
        ("The red book {page}", "{isbn13}", "{count}", "{price}"),
    ),
    (("Asset", "Serial", "MAC", "Bought"), ("Laptop {page}", "{serial}", "{mac}", "{date}")),
    (("Date", "Opponent", "Score", "Team"), ("{date}", "{town}", "{score}", "{year}")),
    (("Code", "Item", "Quantity", "Price"), ("{product}", "Paper {page}", "{count}", "{money}")),
    (
        ("Order Number", "Supplier", "Date", "Total"),
        ("{order}", "{town} Supplies", "{date}", "{money}"),
    ),
    (("Paper", "Room", "Date", "Starts"), ("{paper}", "{room}", "{date}", "{time}")),
    (("Date", "Duty", "Where"), ("{date}", "{teacher}", "{place}")),
    (("Group", "Pupils", "Average", "Passed"), ("{class}", "{count}", "{mark}", "{percent}")),
    (("Parcel", "Reference", "Arrives"), ("{tracking}", "{order}", "{date}")),
)

SIGNATURE = (
    "Kind regards\n{teacher}\nElm Park Primary School, 2 Park Road, Elmham NR1 4PQ\n"
    "Tel 01632 960123, office@elmpark.example"
)

_GREETINGS = ("Dear all,", "Hello,", "Good morning,", "Dear colleague,", "Hi,")


def write_letter(rng: Random) -> Rows:
    """The lines of a letter, one to three matters in it."""
    matters = rng.sample(_PROSE, rng.choice((1, 1, 2, 3)))
    text = "\n".join((rng.choice(_GREETINGS), *matters, SIGNATURE))
    return tuple((line,) for line in fill(text, rng).split("\n"))


def write_table(rng: Random) -> Rows:
    """The rows of a table."""
    heading, row = rng.choice(_TABLES)
    count = rng.choice((3, 8, 25))
    return (heading, *(tuple(fill(cell, rng) for cell in row) for _ in range(count)))


def fill(text: str, rng: Random) -> str:
    """`text` with something for each ``{name}``, for the same name another thing each time."""
    return re.sub(r"\{(\w+)\}", lambda slot: _SLOTS[slot[1]](rng), text)
