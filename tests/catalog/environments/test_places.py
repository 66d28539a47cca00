"""Which target an environment goes to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.assets.blueprint_spec import BlueprintSpec, parse_spec
from catalog.environments import places
from catalog.environments.errors import TargetNotOfferedError
from catalog.environments.places import Says, Wishes, chosen_target, weigh_targets
from catalog.errors import InvalidInputError
from catalog.providers.targets import offered, providers
from catalog.settings import Settings
from workers.targets import program_targets

HERE = Settings(targets=("local",))


def goes_to(targets: tuple[str, ...] | None, **servers: str) -> BlueprintSpec:
    """Return a blueprint that goes to some targets, with servers by name and kind."""
    environment = {"components": {name: {"type": kind} for name, kind in servers.items()}, "outputs": {"url": "x"}}
    return parse_spec({"spec": {"environment": environment, "targets": targets}})


def goes(settings: Settings, spec: BlueprintSpec, wishes: Wishes | None = None, tenant: str = "") -> str | None:
    """Return where an environment goes."""
    return chosen_target(settings, wishes or Wishes(), spec, tenant).target


def test_every_target_can_be_asked_and_programmed() -> None:
    assert program_targets().keys() == providers().keys()


def test_only_what_exists_is_offered_in_the_order_of_preference() -> None:
    assert list(offered(Settings(targets=("moon", "local")))) == ["local"]


@pytest.mark.parametrize("allowed", [None, ("local",), ("moon", "local")])
def test_without_a_wish_the_first_that_fits_is_taken(allowed: tuple[str, ...] | None) -> None:
    assert goes(HERE, goes_to(allowed)) == "local"


def test_what_is_there_stays_where_it_is() -> None:
    assert goes(HERE, goes_to(("local",)), Wishes(runs_at="moon")) == "moon"
    assert goes(HERE, goes_to(None), Wishes(request="local", runs_at="local")) == "local"
    # Nothing moves what is there but a request, which is refused.
    assert goes(HERE, goes_to(None), Wishes(runs_at="moon", automation="local", tenant="local")) == "moon"


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
        goes(HERE, goes_to(allowed), Wishes(request=asked, runs_at=runs_at))
    assert [each.pointer for each in refused.value.errors] == [pointer]


def test_a_target_has_to_offer_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Settings(targets=("aws", "local"))
    seeded = {"type": "postgres", "seed": {"data": "synthetic", "sql": "seed.sql"}}

    def filled(targets: tuple[str, ...] | None) -> BlueprintSpec:
        environment = {"components": {"db": seeded}, "outputs": {"url": "x"}}
        return parse_spec({"spec": {"environment": environment, "targets": targets}})

    assert goes(here, goes_to(None, db="postgres", cache="redis", files="objects")) == "aws"
    assert goes(here, filled(None)) == "aws"
    # As a stranger's target may be.
    bare = {"aws": replace(providers()["aws"], seeds=False), "local": providers()["local"]}
    monkeypatch.setattr(places, "offered", lambda *_: bare)
    assert goes(here, filled(None)) == "local"
    for wishes, targets, pointer in ((Wishes(request="aws"), None, "/target"), (None, ("aws",), "/blueprint")):
        with pytest.raises(InvalidInputError, match="db: the target aws cannot fill a database") as refused:
            goes(here, filled(targets), wishes)
        assert [each.pointer for each in refused.value.errors] == [pointer]


def test_what_the_operator_sets_for_a_tenant_comes_first_where_it_fits() -> None:
    here = Settings(targets=("local", "azure"), tenant_targets={"acme": "azure", "globex": "moon"})
    assert goes(here, goes_to(None), tenant="acme") == "azure"
    assert goes(here, goes_to(None), tenant="globex") == "local"
    assert goes(here, goes_to(("local",)), tenant="acme") == "local"
    assert goes(here, goes_to(None), Wishes(request="local"), "acme") == "local"
    assert goes(here, goes_to(None), Wishes(runs_at="local"), "acme") == "local"


def test_an_operator_may_let_a_tenant_use_some_targets_alone() -> None:
    here = Settings(targets=("local", "azure", "gcp"), tenant_allowed_targets={"acme": ("gcp", "azure", "moon")})
    assert list(offered(here, "acme")) == ["azure", "gcp"]
    assert list(offered(here, "globex")) == ["local", "azure", "gcp"]
    assert goes(here, goes_to(None), tenant="acme") == "azure"
    with pytest.raises(InvalidInputError, match="There is no target local here; there is azure, gcp"):
        goes(here, goes_to(None), Wishes(request="local"), "acme")


def test_an_order_that_cannot_be_followed_is_refused_and_a_preference_is_passed_over() -> None:
    here = Settings(targets=("local",))
    with pytest.raises(TargetNotOfferedError, match=r"goes to docker\. There is no target docker here"):
        goes(here, goes_to(None), Wishes(automation="docker"))
    with pytest.raises(InvalidInputError, match="does not go to local, but to docker") as refused:
        goes(here, goes_to(("docker",)), Wishes(automation="local"))
    assert not isinstance(refused.value, TargetNotOfferedError)
    assert goes(here, goes_to(None), Wishes(tenant="docker")) == "local"


PLACES = st.sampled_from(["local", "docker", "kubernetes", "moon"])


@given(
    targets=st.lists(PLACES, unique=True).map(tuple),
    wishes=st.builds(
        Wishes,
        request=PLACES | st.none(),
        runs_at=PLACES | st.none(),
        automation=PLACES | st.none(),
        tenant=PLACES | st.none(),
    ),
    operator=PLACES | st.none(),
    allowed=st.lists(PLACES, unique=True).map(tuple) | st.none(),
    spec=st.lists(PLACES, unique=True, min_size=1).map(tuple) | st.none(),
)
def test_the_strongest_word_that_may_hold_decides(
    targets: tuple[str, ...],
    wishes: Wishes,
    operator: str | None,
    allowed: tuple[str, ...] | None,
    spec: tuple[str, ...] | None,
) -> None:
    settings = Settings(
        targets=targets,
        tenant_targets={"acme": operator} if operator else {},
        tenant_allowed_targets={} if allowed is None else {"acme": allowed},
    )
    found = weigh_targets(settings, wishes, goes_to(spec), "acme")
    assert [each.by for each in found.words] == list(Says)
    can_be = {name for name in offered(settings, "acme") if spec is None or name in spec}
    if found.target is None:
        assert bool(found.word(found.by).against) if found.by else not can_be
        with pytest.raises(InvalidInputError):
            chosen_target(settings, wishes, goes_to(spec), "acme")
        return
    assert found.by is not None
    assert found.target in can_be or found.target == wishes.runs_at
    before = found.words[: list(Says).index(found.by)]
    assert all(each.target is None or each.against for each in before)
    assert chosen_target(settings, wishes, goes_to(spec), "acme") == found
