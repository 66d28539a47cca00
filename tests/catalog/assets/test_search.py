"""Search counts and finds what a tenant may see, exactly that, whatever others have published, shared or hidden."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from catalog.assets.curation.models import AssetGroup, DecideCatalog, DecideEntry, ShareAsset
from catalog.assets.lookalikes import skeleton
from catalog.assets.models import (
    Asset,
    AssetVersion,
    AssetVersionRead,
    Namespace,
    SearchQuery,
    VersionState,
    Visibility,
)
from catalog.assets.search import FILTERS, closest, position
from catalog.assets.service import AssetService
from catalog.assets.usage.models import AssetUse
from catalog.db import Database
from catalog.errors import InvalidInputError
from catalog.tenancy import Principal

Publish = Callable[..., AssetVersionRead]
WORDS = ("web", "webhook", "shop", "network", "data", "preview")
QUERIES = ("", "web", "shop", "net dat", "acme", "acme/web-1", "web-1", "nothing")


def fill(database: Database, principal: Principal, seed: int, count: int = 40) -> None:
    """Publish rows as one tenant, of every sort that a search tells apart, without packages behind them."""
    chance = random.Random(seed)  # noqa: S311  # makes test data
    with database.tenant_session(principal.tenant_id) as session:
        name = principal.tenant_name
        session.add(Namespace(name=name, skeleton=skeleton(name), tenant_id=principal.tenant_id))
        session.flush()
        for number in range(count):
            listed = chance.random() < 0.9
            asset = Asset(
                tenant_id=principal.tenant_id,
                namespace=principal.tenant_name,
                name=f"{chance.choice(WORDS)}-{number}",
                kind=chance.choice(["pipeline-template", "policy-bundle"]),
                visibility=chance.choice(list(Visibility)),
                display_name=chance.choice(WORDS).title(),
                summary=f"About {chance.choice(WORDS)}",
                license=chance.choice(["MIT", "Apache-2.0"]),
                keywords=chance.sample(WORDS, 2),
                archetypes=chance.sample(["ui", "library", "worker"], chance.randrange(3)),
                clouds=chance.sample(["aws", "gcp"], chance.randrange(3)),
                verified_publisher=chance.choice([None, "example.com"]),
                latest_version="1.0.0" if listed else None,
                latest_state=chance.choice([VersionState.PUBLISHED, VersionState.DEPRECATED]) if listed else None,
            )
            session.add(asset)
            session.flush()
            session.add(version_of(asset))


def version_of(asset: Asset) -> AssetVersion:
    return AssetVersion(
        tenant_id=asset.tenant_id,
        asset_id=asset.id,
        namespace=asset.namespace,
        name=asset.name,
        kind=asset.kind,
        version="1.0.0",
        semver="1.0.0",
        major=1,
        minor=0,
        patch=0,
        stage=3,
        stage_number=0,
        state=VersionState.PUBLISHED,
        manifest={},
        blob_digest="",
        tree_digest="",
        manifest_digest="",
        packed_size=1,
    )


def rows_of(database: Database, tenant_id: UUID) -> list[Asset]:
    """Return every asset that the policies show a tenant."""
    with database.tenant_session(tenant_id) as session:
        return list(session.exec(select(Asset)).all())


def values_of(asset: Asset, facet: str, installed: set[UUID]) -> list[str]:
    match facet:
        case "archetype":
            return asset.archetypes
        case "cloud":
            return asset.clouds
        case "installed":
            return ["yes"] if asset.id in installed else []
        case "state":
            return [str(asset.latest_state)]
        case _:
            return [str(getattr(asset, facet))]


def fits_words(asset: Asset, q: str) -> bool:
    have = " ".join([asset.name, asset.namespace, asset.display_name, asset.summary, *asset.keywords]).lower()
    words = have.replace("-", " ").split()
    return all(any(word.startswith(asked) for word in words) for asked in q.replace("/", " ").replace("-", " ").split())


@pytest.fixture
def world(
    database: Database, acme: Principal, rival: Principal, new_tenants: Callable[[int], list[Principal]]
) -> dict[str, Principal]:
    """Three tenants with assets of every visibility, some shared, adopted, hidden and in use."""
    third = new_tenants(1)[0]
    tenants = {"acme": acme, "rival": rival, "third": third}
    for seed, principal in enumerate(tenants.values()):
        fill(database, principal, seed)
    for owner, guests in ((acme, ["rival"]), (rival, ["acme", "nobody"]), (third, ["acme", "rival"])):
        own = [each for each in rows_of(database, owner.tenant_id) if each.tenant_id == owner.tenant_id]
        with database.tenant_session(owner.tenant_id) as session:
            for each in own[::3]:
                if each.visibility is Visibility.SHARED:
                    wanted = ShareAsset(visibility=Visibility.SHARED, tenants=guests)
                    AssetService(session).share(owner, each.namespace, each.name, wanted)
    return tenants


def decide(database: Database, principal: Principal, *, curated: bool) -> None:
    others = [each for each in rows_of(database, principal.tenant_id) if each.tenant_id != principal.tenant_id]
    with database.tenant_session(principal.tenant_id) as session:
        service = AssetService(session)
        service.decide_catalog(principal, DecideCatalog(is_curated=curated))
        for place, each in enumerate(sorted(others, key=lambda one: one.name)):
            if place % 3 == 0:
                service.decide(principal, each.namespace, each.name, DecideEntry(hidden=place % 2 == 0))
    run(database, principal, others[::4])


def run(database: Database, principal: Principal, assets: list[Asset]) -> None:
    with database.tenant_session(principal.tenant_id) as session:
        versions = {each.asset_id: each for each in session.exec(select(AssetVersion)).all()}
        for each in assets:
            session.add(
                AssetUse(
                    tenant_id=principal.tenant_id,
                    asset_id=each.id,
                    version_id=versions[each.id].id,
                    subject="x",
                    label="x",
                )
            )


def check(database: Database, principal: Principal, query: SearchQuery) -> None:
    """Compare one search with counting by hand what the policies and the tenant's own catalog leave."""
    with database.tenant_session(principal.tenant_id) as session:
        service = AssetService(session)
        found = service.search(principal.tenant_id, query)
        catalog = service.catalog(principal.tenant_id)
        installed = {use.asset_id for use in session.exec(select(AssetUse)).all()}
    decided = {(each.namespace, each.name): each.hidden for each in catalog.entries}
    visible = [
        each
        for each in rows_of(database, principal.tenant_id)
        if each.latest_version is not None
        and fits_words(each, query.q)
        and not decided.get((each.namespace, each.name), False)
        and (not catalog.is_curated or each.tenant_id == principal.tenant_id or (each.namespace, each.name) in decided)
    ]

    def passes(asset: Asset, but: str = "") -> bool:
        return all(
            name == but or not (wanted := getattr(query, name)) or wanted in values_of(asset, name, installed)
            for name in FILTERS
        )

    assert found.total == sum(passes(each) for each in visible)
    expected = sorted((each.name, each.namespace) for each in visible if passes(each))
    if len(expected) <= query.limit:
        assert sorted((each.name, each.namespace) for each in found.items) == expected
    for facet in FILTERS:
        counted = Counter(
            value for each in visible if passes(each, facet) for value in values_of(each, facet, installed)
        )
        assert {each.value: each.count for each in found.facets[facet]} == dict(counted), (facet, query)


FILTERED: list[dict[str, str]] = [
    {},
    {"kind": "policy-bundle"},
    {"license": "MIT", "archetype": "ui"},
    {"cloud": "aws", "trust": "verified", "state": "published"},
    {"namespace": "rival"},
    {"installed": "yes"},
    {"kind": "nothing"},
]


@pytest.mark.parametrize("curated", [None, False, True])
def test_search_finds_and_counts_what_the_policies_and_the_catalog_leave(
    database: Database,
    world: dict[str, Principal],
    curated: bool | None,  # noqa: FBT001  # a parameter of the test
) -> None:
    if curated is not None:
        decide(database, world["acme"], curated=curated)
    for principal in world.values():
        for q, filters in product(QUERIES, FILTERED):
            check(database, principal, SearchQuery.model_validate({"q": q, "limit": 100, **filters}))


def test_pages_hold_everything_once_in_one_order(database: Database, world: dict[str, Principal]) -> None:
    tenant = world["rival"].tenant_id
    for q in ("", "web"):
        with database.tenant_session(tenant) as session:
            service = AssetService(session)
            whole = service.search(tenant, SearchQuery(q=q, limit=100))
            pieces, cursor = [], None
            while True:
                page = service.search(tenant, SearchQuery(q=q, limit=7, cursor=cursor))
                pieces += page.items
                if (cursor := page.next_cursor) is None:
                    break
        assert [(each.namespace, each.name) for each in pieces] == [(each.namespace, each.name) for each in whole.items]


def test_the_counted_groups_are_what_counting_gives(database: Database, world: dict[str, Principal]) -> None:
    owner = world["acme"]
    with database.tenant_session(owner.tenant_id) as session:
        for each in session.exec(select(Asset).where(Asset.tenant_id == owner.tenant_id)).all()[::2]:
            each.license = "0BSD"
            each.latest_version = None if each.latest_version else "2.0.0"
            each.visibility = Visibility.PUBLIC
            session.add(each)
    with database.tenant_session(owner.tenant_id) as session:
        own = session.exec(select(Asset).where(Asset.tenant_id == owner.tenant_id)).all()
        groups = session.exec(select(AssetGroup)).all()
        counted = Counter(
            (each.visibility is Visibility.PUBLIC, each.license, each.kind) for each in own if each.latest_version
        )
        kept: Counter[tuple[bool, str, str]] = Counter()
        for group in groups:
            assert group.count > 0
            kept[group.is_public, group.license, group.kind] += group.count
    assert kept == counted


def test_a_slip_of_a_letter_suggests_what_the_tenant_can_see(
    database: Database, acme: Principal, rival: Principal, publish: Publish
) -> None:
    publish(acme, "storefront", visibility=Visibility.PUBLIC)
    publish(acme, "storefrond-secret")
    publish(rival, "storefronts")

    def guesses(principal: Principal, q: str) -> list[str]:
        with database.tenant_session(principal.tenant_id) as session:
            return AssetService(session).search(principal.tenant_id, SearchQuery(q=q)).suggestions

    for slip in ("storefrnt", "stroefront", "sotrefront", "storefromt", "storeffront", "acme/storefrnt"):
        assert "acme/storefront" in guesses(acme, slip), slip
    assert guesses(acme, "storefromts") == ["acme/storefront"]
    assert guesses(rival, "storefromts") == ["rival/storefronts", "acme/storefront"]
    assert guesses(acme, "zzzzzzzz") == []


def test_nothing_is_suggested_that_the_tenants_own_catalog_keeps_from_it(
    database: Database, acme: Principal, rival: Principal, publish: Publish
) -> None:
    for name in ("storefront", "storefronts"):
        publish(acme, name, visibility=Visibility.PUBLIC)
    publish(rival, "storefrond")

    def guesses() -> list[str]:
        with database.tenant_session(rival.tenant_id) as session:
            return AssetService(session).search(rival.tenant_id, SearchQuery(q="storefromt")).suggestions

    everything = {"rival/storefrond", "acme/storefront", "acme/storefronts"}
    assert set(guesses()) == everything
    with database.tenant_session(rival.tenant_id) as session:
        AssetService(session).decide(rival, "acme", "storefront", DecideEntry(hidden=True))
    assert set(guesses()) == everything - {"acme/storefront"}
    with database.tenant_session(rival.tenant_id) as session:
        AssetService(session).decide_catalog(rival, DecideCatalog(is_curated=True))
    assert guesses() == ["rival/storefrond"]
    with database.tenant_session(rival.tenant_id) as session:
        AssetService(session).decide(rival, "acme", "storefronts", DecideEntry(allowed=">=1"))
    assert set(guesses()) == everything - {"acme/storefront"}


@given(st.text(max_size=80))
def test_no_cursor_breaks_a_search(cursor: str) -> None:
    try:
        found = position(cursor)
    except InvalidInputError:
        return
    assert position(found.cursor()) == found


@given(st.text(max_size=40), st.lists(st.tuples(st.just("a"), st.text("abc-", min_size=1, max_size=12)), max_size=5))
def test_guesses_are_names_that_were_given(q: str, names: list[tuple[str, str]]) -> None:
    assert set(closest(q, names)) <= {f"{namespace}/{name}" for namespace, name in names}
