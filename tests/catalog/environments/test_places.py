"""Which target an environment goes to."""

import pytest

from catalog.environments.places import chosen_target
from catalog.errors import InvalidInputError
from catalog.providers.targets import offered, providers
from catalog.settings import Settings
from workers.targets import program_targets

HERE = Settings(targets=("local",))


def test_every_target_can_be_asked_and_programmed() -> None:
    assert program_targets().keys() == providers().keys()


def test_only_what_exists_is_offered_in_the_order_of_preference() -> None:
    assert list(offered(Settings(targets=("moon", "local")))) == ["local"]


@pytest.mark.parametrize("allowed", [None, ("local",), ("moon", "local")])
def test_without_a_wish_the_first_that_fits_is_taken(allowed: tuple[str, ...] | None) -> None:
    assert chosen_target(HERE, None, allowed, None) == "local"


def test_what_is_there_stays_where_it_is() -> None:
    assert chosen_target(HERE, None, ("local",), "moon") == "moon"
    assert chosen_target(HERE, "local", None, "local") == "local"


@pytest.mark.parametrize(
    ("asked", "allowed", "runs_at", "pointer", "says"),
    [
        ("moon", None, None, "/target", "no target moon here; there is local"),
        ("local", ("moon",), None, "/target", "does not go to local, but to moon"),
        ("local", None, "moon", "/target", "runs at moon and cannot move to local"),
        (None, ("moon",), None, "/blueprint", "goes to moon, and here there is local"),
    ],
)
def test_what_cannot_be_names_the_field(
    asked: str | None, allowed: tuple[str, ...] | None, runs_at: str | None, pointer: str, says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says) as refused:
        chosen_target(HERE, asked, allowed, runs_at)
    assert [each.pointer for each in refused.value.errors] == [pointer]
