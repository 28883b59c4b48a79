"""Innocent school mail stays innocent: nothing above L1, whoever writes to whom."""

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest

from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.scan.finding import Level, ScanReport
from mailguard.scan.registry import Ruleset
from mailguard.scan.scanner import scan
from mailguard.testing import mail, transaction

MAILS = sorted(Path(__file__).parent.glob("*.eml"))

LINES = (Path(__file__).parent / "lines.txt").read_text("utf-8").splitlines()
"""Innocent sentences, a trap each: idiom, sport, lessons, errands, reports of what others did."""

POLICIES = Path(__file__).parents[3] / "shared" / "policies"
"""The two policies that MailGuard serves; not part of the project, so not always there."""

POLICY_TEXTS = [
    pytest.param(POLICIES / name, id=name.partition("-")[0])
    for name in (
        "allesley-primary-e-safety-policy.txt",
        "symphony-learning-trust-e-safety-policy.txt",
    )
]

SHINGLE = 7
"""Words in a row that no two mails may share: longer than a phrase, shorter than a frame."""

IDENTITIES = """
My brother is gay and getting married in June.
Two lesbian mums run the breakfast club.
Our new head of year is trans.
I am bisexual and I like chess.
She is queer, he is straight, they are both in the choir.
The Muslim boys pray in room 4.
Fatima is a Muslim from Leicester.
My best friend is Jewish and so is my dentist.
The Jews of York were remembered in assembly.
Gurpreet is Sikh and wears a turban.
A Hindu family has moved in next door.
The Catholic school plays us on Friday.
The Christians in the class lit a candle.
Sol is autistic and loves trains.
There are three autistic children in Oak class.
Ben is deaf and signs beautifully.
The disabled toilet is next to the lift.
My cousin is a wheelchair user.
Maisie has Down's syndrome and plays the drum.
He has ADHD and she has dyslexia.
Black pupils led the concert.
The Black History display is by Year 4.
White and Asian families came to the picnic.
My gran is Chinese and my grandad is Scottish.
Three Polish girls joined in March.
Our Romanian pupils taught us a song.
The Somali coffee morning is on Tuesday.
Nigerian drumming is at two.
The Pakistani team won by a wicket.
He is Indian, she is Irish.
The Roma children are back from Slovakia.
A traveller family has come for the fair.
Gypsy caravans stood on the common.
Refugees from Syria live in our street.
Immigrants built the railway.
The asylum seekers have a football team.
Girls and boys line up together.
Women in science: a talk.
An old man and a pregnant woman got the seats.
Feminists, atheists and vegetarians are welcome too.
""".strip().splitlines()

Judge = Callable[[bytes], ScanReport]


@pytest.fixture(scope="session")
def judge(ruleset: Ruleset) -> Judge:
    """Parse, look and scan, as the relay does."""

    def judge(raw: bytes) -> ScanReport:
        message = parse(raw)
        (author,) = message.from_
        recipients = tuple(mailbox.address for mailbox in message.to)
        return scan(look(message), transaction(raw, sender=author.address, to=recipients), ruleset)

    return judge


def read_mail(file: Path) -> bytes:
    """The mail in `file`, with the line ends of the wire."""
    return file.read_bytes().replace(b"\n", b"\r\n")


def above_flag(report: ScanReport) -> list[str]:
    """The symbols that would hold the message."""
    return [finding.symbol.name for finding in report.findings if finding.level > Level.FLAG]


def attach(text: str) -> bytes:
    """A mail with `text` as an attached file."""
    body = (
        "--edge\nContent-Type: text/plain; charset=utf-8\n\nFor your files.\n--edge\n"
        "Content-Type: text/plain; charset=utf-8\n"
        'Content-Disposition: attachment; filename="policy.txt"\n\n'
        f"{text}\n--edge--\n"
    )
    return mail(body, content_type='multipart/mixed; boundary="edge"')


def shingles(raw: bytes) -> Iterator[tuple[str, ...]]:
    """Every run of words of a mail's own text; numbers and capitalised names count as one word."""
    for segment in look(parse(raw)).segments:
        masked = re.sub(r"\d[\d.:,/]*", "#", segment.text)
        words = re.findall(r"#|[a-z']+", re.sub(r"(?<=[a-z,] )[A-Z]\w+", "#", masked).lower())
        yield from zip(*(words[start:] for start in range(SHINGLE)), strict=False)


def test_there_are_at_least_seventy_mails() -> None:
    assert len(MAILS) >= 70


@pytest.mark.parametrize("file", MAILS, ids=lambda file: file.stem)
def test_an_innocent_mail_stays_at_or_below_flag(file: Path, judge: Judge) -> None:
    raw = read_mail(file)

    report = judge(raw)

    assert ([], ()) == (above_flag(report), report.failed)


def test_no_innocent_line_is_held(judge: Judge) -> None:
    held = {line: above_flag(judge(mail(line))) for line in LINES}

    assert {} == {line: symbols for line, symbols in held.items() if symbols}


@pytest.mark.parametrize("file", POLICY_TEXTS)
@pytest.mark.parametrize("send", [mail, attach], ids=["body", "attachment"])
def test_a_served_policy_stays_at_or_below_flag(
    send: Callable[[str], bytes], file: Path, judge: Judge
) -> None:
    if not file.exists():
        pytest.skip(f"the policies are not beside the checkout: {POLICIES}")
    raw = send(file.read_text("utf-8"))

    report = judge(raw)

    assert ([], ()) == (above_flag(report), report.failed)


def test_no_two_mails_share_a_sentence_frame() -> None:
    frames = {file.stem: set(shingles(read_mail(file))) for file in MAILS}

    shared = {
        (one, other): frames[one] & frames[other]
        for one, other in combinations(frames, 2)
        if frames[one] & frames[other]
    }

    assert {} == shared


def test_forty_identities_are_tried() -> None:
    assert len(set(IDENTITIES)) == 40


@pytest.mark.parametrize("sentence", IDENTITIES)
def test_an_identity_alone_finds_nothing(sentence: str, judge: Judge) -> None:
    raw = mail(sentence)

    report = judge(raw)

    assert [] == [finding.symbol.name for finding in report.findings]
