"""The resolver: what it chooses, that it is right about what cannot be had, and how it says so."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from weakref import ref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from catalog.assets.models import VersionState
from catalog.assets.references import parse_reference
from catalog.assets.resolver import Ask, Need, Release, Resolution, ResolutionRefusedError, Universe, Wanted, resolve
from catalog.assets.resolver.ranges import Line
from catalog.assets.resolver.universe import Listing
from catalog.assets.versions import (
    VersionNumber,
    allows,
    names_prerelease,
    parse_constraint,
    parse_version,
    pinned_version,
)

COMPONENT = "component-package"
PUBLISHED = VersionState.PUBLISHED


def release(
    name: str, *needs: str, state: VersionState = PUBLISHED, kind: str = COMPONENT, reason: str | None = None
) -> Release:
    """Return a version as ``release("acme/a 1.0.0", "acme/b<2", "?acme/c")``; ``?`` marks an optional dependency."""
    asset, version = name.split()
    found = [need(each.removeprefix("?"), optional=each.startswith("?")) for each in needs]
    return Release(asset, kind, parse_version(version), state, f"{name}!", tuple(found), reason)


def need(text: str, *, optional: bool = False, kind: str = COMPONENT) -> Need:
    reference = parse_reference(text)
    return Need(f"{reference.namespace}/{reference.name}", kind, reference.constraint, optional=optional)


def asks(*texts: str) -> list[Ask]:
    return [Ask(need(text, kind=""), given=text, pointer=f"/requirements/{index}") for index, text in enumerate(texts)]


def solve(universe: Sequence[Release], *texts: str, **wanted: object) -> dict[str, str]:
    locked = {asset: parse_version(text) for asset, text in dict(wanted.pop("locked", {})).items()}  # type: ignore[call-overload]  # a mapping by name
    found = resolve(Universe(universe), Wanted(asks(*texts), locked, **wanted))  # type: ignore[arg-type]  # by name
    return versions(found)


def versions(found: Resolution) -> dict[str, str]:
    return {each.asset: each.version for each in found.lock}


def refusal(universe: Sequence[Release], *texts: str, **wanted: object) -> ResolutionRefusedError:
    with pytest.raises(ResolutionRefusedError) as refused:
        solve(universe, *texts, **wanted)
    return refused.value


CHAIN = [
    release("acme/a 1.0.0", "acme/b>=1,<2"),
    release("acme/a 2.0.0", "acme/b>=2"),
    release("acme/b 1.0.0"),
    release("acme/b 1.5.0"),
    release("acme/b 2.0.0", "acme/c"),
    release("acme/c 0.1.0"),
]


def test_the_newest_of_everything_is_chosen_with_reasons() -> None:
    found = resolve(Universe(CHAIN), Wanted(asks("acme/a")))
    assert [(each.asset, each.version) for each in found.lock] == [
        ("acme/c", "0.1.0"),
        ("acme/b", "2.0.0"),
        ("acme/a", "2.0.0"),
    ]
    assert [each.digest for each in found.lock][-1] == "sha256:acme/a 2.0.0!"
    assert [why.text for why in found.lock[1].why] == ["acme/a 2.0.0 needs >=2"]
    assert [why.text for why in found.lock[2].why] == ["asked for: any version"]
    assert found.warnings == []


def test_an_older_version_is_taken_where_the_newest_excludes_something_else() -> None:
    assert solve(CHAIN, "acme/a", "acme/b<2") == {"acme/a": "1.0.0", "acme/b": "1.5.0"}


def test_the_constraint_is_shown_as_it_was_understood() -> None:
    found = resolve(Universe(CHAIN), Wanted(asks("acme/b ^1.0")))
    assert [(each.given, each.constraint) for each in found.requirements] == [("acme/b ^1.0", ">=1.0,<2")]


def test_what_contradicts_each_other_is_said_in_one_sentence() -> None:
    refused = refusal(CHAIN, "acme/a>=2", "acme/b<2")
    assert refused.detail == (
        "acme/a >=2 and acme/b <2 together cannot be had: "
        "because you ask for acme/b <2 and acme/a 2.0.0 needs acme/b >=2, and no version of acme/b fits both."
    )
    assert {(each.by, each.version, each.asset, each.constraint) for each in refused.causes} == {
        (None, None, "acme/b", "<2"),
        ("acme/a", "2.0.0", "acme/b", ">=2"),
    }
    assert [each.pointer for each in refused.errors] == ["/requirements/0", "/requirements/1"]


def test_a_refusal_names_only_what_takes_part_in_it() -> None:
    universe = [*CHAIN, release("acme/z 1.0.0"), release("acme/y 1.0.0", "acme/z")]
    refused = refusal(universe, "acme/y", "acme/a>=2", "acme/z", "acme/b<2")
    assert "acme/y" not in refused.detail
    assert "acme/z" not in refused.detail
    assert [each.pointer for each in refused.errors] == ["/requirements/1", "/requirements/3"]


def test_what_cannot_be_seen_reads_as_what_never_was() -> None:
    universe = [release("acme/a 1.0.0", "secret/b>=1")]
    refused = refusal(universe, "acme/a")
    assert "acme/a 1.0.0 needs secret/b >=1, and there is no asset secret/b, or you may not see it" in refused.detail
    assert "there is no asset acme/never, or you may not see it" in refusal(universe, "acme/never").detail


@pytest.mark.parametrize(
    ("universe", "text", "said"),
    [
        ([release("acme/a 1.0.0", state=VersionState.REVOKED, reason="It leaks.")], "acme/a", "is revoked (It leaks)"),
        ([release("acme/a 1.0.0", state=VersionState.QUARANTINED)], "acme/a==1.0.0", "1.0.0 is quarantined"),
        ([release("acme/a 1.0.0", state=VersionState.YANKED)], "acme/a", "only where it is pinned exactly"),
        ([release("acme/a 1.0.0-rc.1")], "acme/a", "only pre-releases fit; name one to choose it: acme/a==1.0.0rc1"),
        ([release("acme/a 1.0.0")], "acme/a>=3", "the newest there is is 1.0.0"),
        (
            [release("acme/a 1.0.0", "acme/b"), release("acme/b 1.0.0", kind="policy-bundle")],
            "acme/a",
            "acme/a 1.0.0 needs acme/b as a component-package, and it is a policy-bundle",
        ),
    ],
)
def test_why_no_version_can_be_chosen(universe: list[Release], text: str, said: str) -> None:
    assert said in refusal(universe, text).detail


def test_states_decide_what_is_chosen() -> None:
    universe = [
        release("acme/a 1.0.0"),
        release("acme/a 1.1.0", state=VersionState.DEPRECATED, reason="Old."),
        release("acme/a 1.2.0", state=VersionState.YANKED),
        release("acme/a 1.3.0", state=VersionState.REVOKED),
        release("acme/a 1.4.0-rc.1"),
    ]
    assert solve(universe, "acme/a") == {"acme/a": "1.0.0"}
    assert solve(universe, "acme/a>1.0") == {"acme/a": "1.1.0"}
    assert solve(universe, "acme/a==1.2.0") == {"acme/a": "1.2.0"}
    assert solve(universe, "acme/a>=1.4.0rc1") == {"acme/a": "1.4.0rc1"}
    assert resolve(Universe(universe), Wanted(asks("acme/a>1.0"))).warnings == ["acme/a 1.1.0 is deprecated: Old."]


def test_what_is_in_use_stays_until_an_upgrade_names_it() -> None:
    locked = {"acme/a": "1.0.0", "acme/b": "1.0.0"}
    assert solve(CHAIN, "acme/a", locked=locked) == {"acme/a": "1.0.0", "acme/b": "1.0.0"}
    assert solve(CHAIN, "acme/a", locked=locked, upgrade=["acme/b"]) == {"acme/a": "1.0.0", "acme/b": "1.5.0"}
    assert solve(CHAIN, "acme/a", locked=locked, upgrade=["*"])["acme/a"] == "2.0.0"


def test_nothing_goes_down_unless_the_request_says_so() -> None:
    locked = {"acme/b": "2.0.0"}
    refused = refusal(CHAIN, "acme/a==1.0.0", locked=locked, upgrade=["*"])
    assert "acme/b is in use at 2.0.0, which goes down only if you ask for acme/b<2.0.0" in refused.detail
    assert solve(CHAIN, "acme/a==1.0.0", "acme/b<2.0.0", locked=locked)["acme/b"] == "1.5.0"


def test_a_yanked_version_in_use_may_stay() -> None:
    universe = [release("acme/a 1.0.0"), release("acme/a 1.1.0", state=VersionState.YANKED)]
    assert solve(universe, "acme/a", locked={"acme/a": "1.1.0"}) == {"acme/a": "1.1.0"}
    revoked = [release("acme/a 1.0.0"), release("acme/a 1.1.0", state=VersionState.REVOKED)]
    said = refusal(revoked, "acme/a", locked={"acme/a": "1.1.0"}).detail
    assert "1.1.0 is revoked and acme/a is in use at 1.1.0, which goes down only if you ask for acme/a<1.1.0" in said


def test_an_optional_dependency_binds_only_what_is_there_anyway() -> None:
    universe = [
        release("acme/a 1.0.0", "?acme/b<2"),
        release("acme/b 1.0.0"),
        release("acme/b 2.0.0"),
        release("acme/c 1.0.0", "acme/b"),
    ]
    assert solve(universe, "acme/a") == {"acme/a": "1.0.0"}
    assert solve(universe, "acme/a", "acme/c")["acme/b"] == "1.0.0"
    assert solve(universe, "acme/a", optional=["acme/b"])["acme/b"] == "1.0.0"
    assert solve([universe[0]], "acme/a") == {"acme/a": "1.0.0"}, "one that does not exist is no obstacle"


def test_assets_that_need_each_other_are_locked_together() -> None:
    universe = [release("acme/a 1.0.0", "acme/b"), release("acme/b 1.0.0", "acme/a")]
    assert solve(universe, "acme/a") == {"acme/a": "1.0.0", "acme/b": "1.0.0"}


CLAUSES = ["", ">=2.0.0", "<2.0.0", "==1.0.0", "!=1.0.0", "~=1.0", "==2.*", ">=2.0.0rc1", "==1.0.0,<3"]
ASSETS = ["acme/a", "acme/b", "acme/c", "acme/d"]
NUMBERS = ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0"]
STATES = [*[PUBLISHED] * 5, VersionState.DEPRECATED, VersionState.YANKED, VersionState.REVOKED]


@st.composite
def needs(draw: st.DrawFn) -> str:
    mark = draw(st.sampled_from(["", "", "", "?"]))
    return mark + draw(st.sampled_from(ASSETS)) + draw(st.sampled_from(CLAUSES))


@st.composite
def universes(draw: st.DrawFn) -> list[Release]:
    made = []
    for asset in ASSETS:
        for number in draw(st.lists(st.sampled_from(NUMBERS), unique=True, max_size=4)):
            wanted = draw(st.lists(needs(), max_size=3))
            own = [each for each in wanted if each.removeprefix("?")[: len(asset)] != asset]
            made.append(release(f"{asset} {number}", *own, state=draw(st.sampled_from(STATES))))
    return made


REQUESTS = st.lists(st.builds(str.__add__, st.sampled_from(ASSETS), st.sampled_from(CLAUSES)), min_size=1, max_size=3)
LOCKS = st.dictionaries(st.sampled_from(ASSETS), st.sampled_from(NUMBERS).map(parse_version), max_size=2)
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def covers(each: Need, candidate: Release, *, admitted: bool) -> bool:
    """Tell whether one need is satisfied, from the words of the rule and with packaging's own arithmetic."""
    if not allows(each.constraint, candidate.number, prereleases=True):
        return False
    if candidate.state is VersionState.YANKED:
        return admitted or pinned_version(each.constraint) == candidate.number
    if candidate.state not in {PUBLISHED, VersionState.DEPRECATED}:
        return False
    return not candidate.number.is_prerelease or admitted or names_prerelease(each.constraint)


def is_solution(chosen: Mapping[str, Release], wanted: Wanted) -> bool:
    """Tell whether a choice satisfies a request."""
    roots = [ask.need for ask in wanted.asks]
    if any(root.asset not in chosen for root in roots):
        return False
    for asset, candidate in chosen.items():
        asked = [root for root in roots if root.asset == asset]
        present = wanted.locked.get(asset)
        admitted = present == candidate.number or any(covers(root, candidate, admitted=False) for root in asked)
        needed = [*asked, *(each for other in chosen.values() for each in other.needs if each.asset == asset)]
        if not all(covers(each, candidate, admitted=admitted) for each in needed):
            return False
        if present is not None and candidate.number < present:
            explicit = any(not allows(root.constraint, present, prereleases=True) for root in asked)
            if not explicit and known(wanted, asset, present):
                return False
    return all(each.optional or each.asset in chosen for other in chosen.values() for each in other.needs)


KNOWN: dict[int, set[tuple[str, VersionNumber]]] = {}


def known(wanted: Wanted, asset: str, present: VersionNumber) -> bool:
    return (asset, present) in KNOWN[id(wanted)]


def solutions(universe: Sequence[Release], wanted: Wanted) -> Iterator[dict[str, Release]]:
    """Try every choice of at most one version of each asset."""
    KNOWN[id(wanted)] = {(each.asset, each.number) for each in universe}
    choices = [[None, *(each for each in universe if each.asset == asset)] for asset in ASSETS]
    for picks in product(*choices):
        chosen = {each.asset: each for each in picks if each is not None}
        if is_solution(chosen, wanted):
            yield chosen


@SLOW
@given(universes(), REQUESTS, LOCKS)
def test_it_agrees_with_trying_everything(
    universe: list[Release], texts: list[str], locked: dict[str, VersionNumber]
) -> None:
    wanted = Wanted(asks(*texts), locked)
    if not any(True for _ in solutions(universe, wanted)):
        with pytest.raises(ResolutionRefusedError, match=r"cannot be had: because .*\.$"):
            resolve(Universe(universe), wanted)
        return
    found = resolve(Universe(universe), wanted)
    chosen = {
        entry.asset: next(
            each for each in universe if each.asset == entry.asset and each.number.canonical == entry.version
        )
        for entry in found.lock
    }
    assert is_solution(chosen, wanted)
    assert all(entry.why for entry in found.lock)
    assert all(any(not why.optional for why in entry.why) for entry in found.lock)


def test_a_bound_far_below_reaches_all_that_needs_it() -> None:
    """Thirty assets need each other's like or newer, and the last is bound: the search alone would try for ever."""
    names = [f"acme/n{place:02}" for place in range(30)]
    universe = [
        release(f"{name} 1.{number}.0", *(f"{other}>=1.{number}" for other in names[place + 1 : place + 4]))
        for place, name in enumerate(names)
        for number in range(30)
    ]
    found = solve(universe, *names[:5], f"{names[-1]}<1.7")
    assert set(found.values()) == {"1.6.0"}
    assert len(found) == 30
    assert "because" in refusal(universe, *names[:5], f"{names[-1]}<1.7", f"{names[0]}>=1.8").detail


@SLOW
@given(universes(), REQUESTS, st.randoms(use_true_random=False))
def test_the_order_in_which_versions_are_read_changes_nothing(
    universe: list[Release], texts: list[str], random: object
) -> None:
    shuffled = list(universe)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random of Hypothesis
    assert outcome(universe, texts) == outcome(shuffled, texts)


def outcome(universe: Sequence[Release], texts: Sequence[str]) -> object:
    try:
        return resolve(Universe(universe), Wanted(asks(*texts))).model_dump()
    except ResolutionRefusedError as refused:
        return refused.detail, refused.causes


@SLOW
@given(universes(), REQUESTS)
def test_a_broken_asset_that_nothing_needs_changes_nothing(universe: list[Release], texts: list[str]) -> None:
    broken = [
        release("other/broken 1.0.0", "other/missing"),
        release("other/broken 2.0.0", "acme/a>=99", "acme/b==0.0.1"),
    ]
    assert outcome(universe, texts) == outcome([*universe, *broken], texts)


SMALL = st.integers(0, 2)
VERSIONS = st.builds(VersionNumber, SMALL, SMALL, SMALL) | st.builds(VersionNumber, SMALL, SMALL, SMALL, SMALL, SMALL)
BOUNDS = st.one_of(
    VERSIONS.map(lambda each: each.canonical),
    st.builds("{}.{}".format, SMALL, SMALL),
    SMALL.map(str),
    st.builds("{}.{}.{}.post1".format, SMALL, SMALL, SMALL),
    st.builds("{}.{}.{}.dev1".format, SMALL, SMALL, SMALL),
    st.builds("{}.{}.{}.1".format, SMALL, SMALL, SMALL),
    st.builds("1!{}".format, SMALL),
)


@given(
    st.lists(VERSIONS, max_size=12),
    st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "~="]),
    BOUNDS,
    st.sampled_from(["", ".*"]),
)
def test_masks_say_what_packaging_says(numbers: list[VersionNumber], operator: str, bound: str, suffix: str) -> None:
    text = f"{operator}{bound}"
    if operator in {"==", "!="} and bound.replace(".", "").isdigit():
        text += suffix
    if operator == "~=" and len(Version(bound).release) < 2:
        return
    constraint = parse_constraint(text)
    ordered = sorted(set(numbers))
    mask = Line(ordered).mask(constraint)
    assert [bool(mask >> index & 1) for index in range(len(ordered))] == [
        allows(constraint, each, prereleases=True) for each in ordered
    ]


def test_what_requests_name_is_kept_by_no_listing() -> None:
    class Watched(SpecifierSet):
        """A constraint of which one can tell whether anything still has it."""

    listings = [Listing.of([release("acme/a 1.0.0", "acme/b<2")]), Listing.of([release("acme/b 1.0.0")])]
    for text in (">=1", "==1.0.0", ">=2"):
        constraint = Watched(text)
        gone = ref(constraint)
        wanted = Wanted([Ask(Need("acme/a", "", constraint)), Ask(Need("acme/b", "", constraint))])
        try:
            assert len(resolve(Universe.of(listings), wanted).lock) == 2
        except ResolutionRefusedError:
            assert text == ">=2"
        del constraint, wanted
        gc.collect()
        assert gone() is None, text


def test_a_listing_that_has_changed_is_kept_by_none_that_needs_it() -> None:
    needs_it = Listing.of([release("acme/a 1.0.0", "acme/b<2")])
    before = Listing.of([release("acme/b 1.0.0")])
    wanted = Wanted(asks("acme/a"))
    assert versions(resolve(Universe.of([needs_it, before]), wanted)) == {"acme/a": "1.0.0", "acme/b": "1.0.0"}
    gone = ref(before)
    del before
    gc.collect()
    assert gone() is None
    after = Listing.of([release("acme/b 1.0.0"), release("acme/b 1.1.0"), release("acme/b 2.0.0")])
    assert versions(resolve(Universe.of([needs_it, after]), wanted)) == {"acme/a": "1.0.0", "acme/b": "1.1.0"}
