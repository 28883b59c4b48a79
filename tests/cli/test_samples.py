"""The demo's sample mail is judged as the demo says."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailguard.cli.envelope import Given, compose_transaction
from mailguard.cli.outcome import describe_relationships
from mailguard.cli.samples import Sample, load_samples
from mailguard.cli.stage import CONFIG, DIRECTORY
from mailguard.config import Config, load_config
from mailguard.extract.judging import ScanJudge
from mailguard.extract.pool import ScanPool
from mailguard.mail.envelope import Origin
from mailguard.policy.judge import Judgement
from mailguard.service.load import load_directory, load_policy, load_ruleset, school_of

SAMPLES = {sample.title: sample for sample in load_samples()}

OUTCOMES = {
    "homework question": ("relay", False),
    "answer with quotation": ("relay", False),
    "game after school": ("relay", False),
    "match report": ("relay", False),
    "play rehearsal": ("relay relay relay", False),
    "newsletter": ("relay", False),
    "parent complains": ("relay", False),
    "exam board": ("relay", False),
    "bullying": ("hold", False),
    "left out": ("hold hold", False),
    "threat": ("hold", False),
    "threat in disguise": ("hold", True),
    "hurtful about origin": ("hold", False),
    "something for sale": ("hold hold", False),
    "bringing a knife": ("hold", True),
    "asks for a picture": ("hold", False),
    "photo with a secret": ("seal", True),
    "lines from the play": ("hold", True),
    "urges self harm": ("hold", True),
    "asks a teacher for help": ("flag", True),
    "tells about home": ("flag", True),
    "worried friend": ("flag", True),
    "writes to a helpline": ("relay", False),
    "tells teacher and friend": ("flag hold", False),
    "class list goes home": ("hold", False),
    "password by mail": ("return", False),
    "advert to all staff": ("flag", False),
    "locked message goes out": ("hold", False),
    "phishing": ("hold", False),
    "gift cards": ("hold", False),
    "invoice that runs": ("hold", False),
    "forged pupil": ("flag", False),
    "stranger to a pupil": ("hold", True),
    "betting advert": ("flag", False),
}
"""What is done for each recipient, and whether there is an alert."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> Config:
    """The demo's configuration."""
    folder = tmp_path_factory.mktemp("demo")
    ports = {"inside": 1, "outside": 2, "next_hop": 3}
    text = CONFIG.format(host="127.0.0.1", folder=folder, cache=rule_cache, **ports)
    (folder / "mailguard.toml").write_text(text)
    (folder / "directory.csv").write_text(DIRECTORY)
    return load_config(folder / "mailguard.toml")


@pytest.fixture(scope="module")
def judge(config: Config, rule_cache: Path) -> Callable[[Sample], Judgement]:
    """Judges a sample as the demo's relay does."""
    loaded = load_ruleset(school=school_of(config), cache=rule_cache)
    policy = load_policy(config)

    async def judged(sample: Sample) -> Judgement:
        pool = ScanPool(loaded.ruleset, loaded.setup, config.relay.scan_s)
        given = Given(origin=sample.origin)
        transaction = compose_transaction(sample.raw, given, school_of(config))
        try:
            return await ScanJudge(loaded.ruleset, policy, pool, budget_s=60).judge(transaction)
        finally:
            await pool.close()

    def judge_sample(sample: Sample) -> Judgement:
        return asyncio.run(judged(sample))

    return judge_sample


@pytest.mark.parametrize("title", SAMPLES)
def test_what_becomes_of_a_sample(judge: Callable[[Sample], Judgement], title: str) -> None:
    judgement = judge(SAMPLES[title])

    actions = " ".join(disposition.action for disposition in judgement.dispositions)
    alert = any(disposition.alert for disposition in judgement.dispositions)
    assert (actions, alert) == OUTCOMES[title]


def test_there_are_some_thirty_samples_from_both_sides() -> None:
    origins = [sample.origin for sample in SAMPLES.values()]

    assert len(SAMPLES) >= 30
    assert {Origin.INSIDE, Origin.OUTSIDE} == set(origins)


def test_samples_are_numbered_without_a_gap() -> None:
    numbers = [sample.number for sample in SAMPLES.values()]

    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("title", SAMPLES)
def test_a_sample_names_invented_people_only(title: str) -> None:
    addresses = re.findall(rb"[\w.+-]+@[\w.-]+", SAMPLES[title].raw)

    assert addresses
    assert all(address.endswith(b".example") for address in addresses)


def test_relationships_of_several_recipients_are_named_once(config: Config) -> None:
    directory = load_directory(config)

    assert describe_relationships(SAMPLES["play rehearsal"], directory) == "staff→pupil"
    assert describe_relationships(SAMPLES["forged pupil"], directory) == "spoofed→staff"
    several = SAMPLES["tells teacher and friend"]
    assert describe_relationships(several, directory) == "pupil→staff, pupil"
