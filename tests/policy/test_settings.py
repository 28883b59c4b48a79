"""What a school may decide, and what it may not."""

import pytest

from mailguard.errors import ConfigError
from mailguard.policy.directory import Directory
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Action
from mailguard.scan.finding import Category


@pytest.mark.parametrize(
    ("category", "action"),
    [
        pytest.param("malware", "reject", id="malware refused"),
        pytest.param("commercial", "flag", id="commercial flagged"),
        pytest.param("phishing", "hold", id="phishing held"),
        pytest.param("volume", "defer", id="volume deferred"),
        pytest.param("personal_data", "reject", id="data refused"),
        pytest.param("threat", "flag", id="threat flagged"),
        pytest.param("imagery", "hold", id="imagery held"),
    ],
)
def test_a_school_may_choose_for_a_category(
    directory: Directory, category: str, action: str
) -> None:
    policy = Policy(directory=directory, actions={Category(category): Action(action)})

    assert {category: action} == policy.actions


@pytest.mark.parametrize(
    ("category", "action", "expected"),
    [
        pytest.param("malware", "seal", "only suspected illegal images are sealed", id="seal"),
        pytest.param("imagery", "flag", "illegal content cannot be let through", id="imagery"),
        pytest.param("extremism", "relay", "illegal content cannot be let through", id="extremism"),
        pytest.param("abuse", "reject", "only a person may tell the writer", id="bounce"),
        pytest.param("self_harm", "defer", "only a person may tell the writer", id="defer"),
    ],
)
def test_a_school_may_not_choose_what_does_harm(
    directory: Directory, category: str, action: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=f"^policy.actions.{category}: {expected}"):
        Policy(directory=directory, actions={Category(category): Action(action)})


def test_all_mistakes_are_told_at_once(directory: Directory) -> None:
    with pytest.raises(ConfigError) as error:
        Policy(
            directory=directory,
            actions={Category.ABUSE: Action.REJECT, Category.IMAGERY: Action.FLAG},
        )

    assert len(error.value.problems) == 2
