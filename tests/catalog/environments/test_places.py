"""Which target an environment goes to."""

import pytest

from catalog.assets.blueprint_spec import BlueprintSpec, parse_spec
from catalog.environments.places import chosen_target
from catalog.errors import InvalidInputError
from catalog.providers.targets import offered, providers
from catalog.settings import Settings
from workers.targets import program_targets

HERE = Settings(targets=("local",))


def goes_to(targets: tuple[str, ...] | None, **servers: str) -> BlueprintSpec:
    """Return a blueprint that goes to some targets, with servers by name and kind."""
    environment = {"components": {name: {"type": kind} for name, kind in servers.items()}, "outputs": {"url": "x"}}
    return parse_spec({"spec": {"environment": environment, "targets": targets}})


def test_every_target_can_be_asked_and_programmed() -> None:
    assert program_targets().keys() == providers().keys()


def test_only_what_exists_is_offered_in_the_order_of_preference() -> None:
    assert list(offered(Settings(targets=("moon", "local")))) == ["local"]


@pytest.mark.parametrize("allowed", [None, ("local",), ("moon", "local")])
def test_without_a_wish_the_first_that_fits_is_taken(allowed: tuple[str, ...] | None) -> None:
    assert chosen_target(HERE, None, goes_to(allowed), None) == "local"


def test_what_is_there_stays_where_it_is() -> None:
    assert chosen_target(HERE, None, goes_to(("local",)), "moon") == "moon"
    assert chosen_target(HERE, "local", goes_to(None), "local") == "local"


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
        chosen_target(HERE, asked, goes_to(allowed), runs_at)
    assert [each.pointer for each in refused.value.errors] == [pointer]


def test_a_target_has_to_offer_the_servers_that_are_needed() -> None:
    clouds = Settings(targets=("azure", "gcp"))
    assert chosen_target(clouds, None, goes_to(None, db="postgres"), None) == "azure"
    assert chosen_target(clouds, None, goes_to(None, db="postgres", cache="redis"), None) == "gcp"
    with pytest.raises(InvalidInputError, match="cache: the target azure offers no Redis") as refused:
        chosen_target(clouds, "azure", goes_to(None, cache="redis"), None)
    assert [each.pointer for each in refused.value.errors] == ["/target"]
    with pytest.raises(InvalidInputError, match="files: the target azure offers no object storage") as refused:
        chosen_target(clouds, None, goes_to(("azure",), files="objects"), None)
    assert [each.pointer for each in refused.value.errors] == ["/blueprint"]


def test_what_a_tenant_prefers_comes_first_where_it_fits() -> None:
    here = Settings(targets=("local", "azure"), tenant_targets={"acme": "azure", "globex": "moon"})
    assert chosen_target(here, None, goes_to(None), None, "acme") == "azure"
    assert chosen_target(here, None, goes_to(None), None, "globex") == "local"
    assert chosen_target(here, None, goes_to(None, cache="redis"), None, "acme") == "local"
    assert chosen_target(here, "local", goes_to(None), None, "acme") == "local"
    assert chosen_target(here, None, goes_to(None), "local", "acme") == "local"
