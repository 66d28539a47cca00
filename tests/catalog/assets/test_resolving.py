"""Resolving over what is stored: bounded statements, states, and nothing of another tenant."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from catalog.assets.curation.models import DecideEntry, ShareAsset
from catalog.assets.models import AssetVersionRead, ChangeVersionState, VersionState, Visibility
from catalog.assets.references import parse_reference
from catalog.assets.resolver import LockedVersion, Release, ResolutionRefusedError, ResolveAssets
from catalog.assets.resolver.kept import Keeper, Kept
from catalog.assets.resolver.universe import Listing
from catalog.assets.service import AssetService
from catalog.assets.service.resolving import KEPT
from catalog.assets.versions import VersionNumber
from catalog.db import Database
from catalog.tenancy import Principal

Publish = Callable[..., AssetVersionRead]
PUBLIC = Visibility.PUBLIC
PUBLISHED = VersionState.PUBLISHED


def resolve(database: Database, who: Principal, *requirements: str, **more: Any) -> dict[str, str]:
    with database.tenant_session(who.tenant_id) as session:
        found = AssetService(session).resolve_all(who.tenant_id, ResolveAssets(requirements=[*requirements], **more))
    return {each.asset: each.version for each in found.lock}


def refused(database: Database, who: Principal, *requirements: str) -> str:
    with pytest.raises(ResolutionRefusedError) as refusal:
        resolve(database, who, *requirements)
    return refusal.value.detail


@pytest.fixture
def shop(publish: Publish, acme: Principal) -> Principal:
    """Publish acme/shop, which needs acme/net, which needs acme/base."""
    publish(acme, "base", "1.0.0")
    publish(acme, "net", "1.0.0", needs=["acme/base>=1"])
    publish(acme, "net", "2.0.0", needs=["acme/base>=1"])
    publish(acme, "shop", "1.0.0", needs=["acme/net>=1,<2"])
    publish(acme, "shop", "2.0.0", needs=["acme/net>=2"])
    return acme


def test_everything_that_is_needed_is_locked_with_its_digest(database: Database, shop: Principal) -> None:
    with database.tenant_session(shop.tenant_id) as session:
        service = AssetService(session)
        found = service.resolve_all(shop.tenant_id, ResolveAssets(requirements=["acme/shop ^1.0"]))
        for entry in found.lock:
            namespace, _, name = entry.asset.partition("/")
            stored = service.get_version(shop.tenant_id, namespace, name, entry.version)
            assert entry.digest == f"sha256:{stored.blob_digest}"
            assert entry.kind == stored.kind
            assert entry.state == stored.state
    assert [(each.asset, each.version) for each in found.lock] == [
        ("acme/base", "1.0.0"),
        ("acme/net", "1.0.0"),
        ("acme/shop", "1.0.0"),
    ]


def test_a_lock_stays_until_an_upgrade_names_it(database: Database, shop: Principal) -> None:
    lock = [LockedVersion(asset="acme/shop", version="1.0.0"), LockedVersion(asset="acme/net", version="1.0.0")]
    assert resolve(database, shop, "acme/shop", lock=lock)["acme/shop"] == "1.0.0"
    assert resolve(database, shop, "acme/shop", lock=lock, upgrade=["*"])["acme/net"] == "2.0.0"


def statements(database: Database, who: Principal, *requirements: str) -> list[str]:
    """Resolve, and return what the database was asked."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "set_config" not in statement:
            seen.append(statement)

    event.listen(database.app, "before_cursor_execute", note)
    try:
        resolve(database, who, *requirements)
    finally:
        event.remove(database.app, "before_cursor_execute", note)
    return seen


def test_one_statement_reads_all_that_is_within_reach(
    database: Database, shop: Principal, publish: Publish, acme: Principal
) -> None:
    few = statements(database, shop, "acme/shop")
    for number in range(4):
        publish(acme, f"deep{number}", "1.0.0", needs=[f"acme/deep{number - 1}"] if number else [])
    publish(acme, "shop", "3.0.0", needs=["acme/deep3", "acme/net"])
    KEPT.forget()
    assert len(statements(database, shop, "acme/shop")) == len(few) == 2
    assert resolve(database, shop, "acme/shop")["acme/deep0"] == "1.0.0"


def test_what_was_read_is_compared_and_not_read_again(database: Database, shop: Principal, publish: Publish) -> None:
    assert any("dependencies" in each for each in statements(database, shop, "acme/shop"))
    again = statements(database, shop, "acme/shop", "acme/base")
    assert len(again) == 2
    assert not any("dependencies" in each for each in again)
    publish(shop, "base", "1.1.0")
    assert any("dependencies" in each for each in statements(database, shop, "acme/shop"))
    assert resolve(database, shop, "acme/shop")["acme/base"] == "1.1.0"


def test_what_one_tenant_has_read_is_nothing_to_another(
    database: Database, publish: Publish, acme: Principal, rival: Principal
) -> None:
    publish(acme, "net", "1.0.0", visibility=PUBLIC)
    resolve(database, acme, "acme/net")
    assert any("dependencies" in each for each in statements(database, rival, "acme/net"))
    share(database, acme, Visibility.PRIVATE)
    assert "there is no asset acme/net, or you may not see it" in refused(database, rival, "acme/net")
    assert resolve(database, acme, "acme/net") == {"acme/net": "1.0.0"}
    share(database, acme, PUBLIC)
    assert resolve(database, rival, "acme/net") == {"acme/net": "1.0.0"}


def share(database: Database, who: Principal, visibility: Visibility) -> None:
    with database.tenant_session(who.tenant_id) as session:
        AssetService(session).share(who, who.tenant_name, "net", ShareAsset(visibility=visibility))


def test_a_version_that_was_never_committed_is_not_kept(database: Database, shop: Principal) -> None:
    reason = ChangeVersionState(reason="It leaks.")
    wanted = ResolveAssets(requirements=["acme/net"])
    with database.tenant_session(shop.tenant_id) as session:
        service = AssetService(session)
        service.deprecate(shop, "acme", "net", "2.0.0", reason)
        assert service.resolve_all(shop.tenant_id, wanted).lock[-1].version == "1.0.0"
        service.revoke(shop, "acme", "net", "1.0.0", reason)
        # Both rows are of one transaction, and so is what is read between and behind the two.
        assert service.resolve_all(shop.tenant_id, wanted).lock[-1].version == "2.0.0"
        session.rollback()
    assert resolve(database, shop, "acme/net")["acme/net"] == "2.0.0"


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    def kept(name: str) -> Kept:
        releases = [Release(f"acme/{name}", "any", VersionNumber(1, 0, patch), PUBLISHED, "") for patch in range(4)]
        return Kept(name.encode(), Listing.of(releases), frozenset())

    tenant, keeper = uuid4(), Keeper(most=8)
    for name in ("a", "b"):
        keeper.keep(tenant, ("acme", name), kept(name))
    assert all(keeper.within_reach(tenant, [("acme", "a")]).values())
    assert not any(keeper.within_reach(uuid4(), [("acme", "a")]).values())
    keeper.keep(tenant, ("acme", "c"), kept("c"))
    found = keeper.within_reach(tenant, [("acme", each) for each in "abc"])
    assert [name for (_, name), each in sorted(found.items()) if each is not None] == ["a", "c"]


def test_another_tenants_assets_are_as_if_they_never_were(
    database: Database, publish: Publish, acme: Principal, rival: Principal
) -> None:
    publish(acme, "secret", "1.0.0")
    publish(acme, "open", "1.0.0", visibility=PUBLIC, needs=["acme/secret>=1"])
    publish(acme, "odd", "1.0.0", visibility=PUBLIC, needs=["acme/never1>=1"])
    assert resolve(database, acme, "acme/open") == {"acme/open": "1.0.0", "acme/secret": "1.0.0"}
    hidden = refused(database, rival, "acme/open").replace("acme/open", "X").replace("acme/secret", "Y")
    never = refused(database, rival, "acme/odd").replace("acme/odd", "X").replace("acme/never1", "Y")
    assert hidden == never
    asked = refused(database, rival, "acme/secret").replace("acme/secret", "Y")
    assert asked == refused(database, rival, "acme/never1").replace("acme/never1", "Y")


def test_states_count_as_they_are_at_this_moment(
    database: Database, publish: Publish, shop: Principal, acme: Principal
) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        AssetService(session).revoke(acme, "acme", "net", "2.0.0", ChangeVersionState(reason="It leaks."))
    assert resolve(database, shop, "acme/shop")["acme/shop"] == "1.0.0"
    said = refused(database, shop, "acme/shop>=2")
    assert "acme/shop 2.0.0 needs acme/net >=2, and 2.0.0 is revoked (It leaks)" in said
    publish(acme, "net", "2.0.1")
    assert resolve(database, shop, "acme/shop>=2")["acme/net"] == "2.0.1"


def test_a_reference_is_resolved_with_what_is_in_use(database: Database, shop: Principal) -> None:
    lock = [{"asset": "acme/shop", "version": "1.0.0"}, {"asset": "acme/net", "version": "1.0.0"}]
    with database.tenant_session(shop.tenant_id) as session:
        service = AssetService(session)
        risen = service.resolve_reference(shop.tenant_id, parse_reference("acme/shop"), lock)
        assert [each.version for each in risen.lock if each.asset == "acme/shop"] == ["2.0.0"]
        low = parse_reference("acme/shop@1.0.0")
        with pytest.raises(ResolutionRefusedError, match=r"acme/net is in use at 2\.0\.0, which goes down"):
            service.resolve_reference(shop.tenant_id, low, [{"asset": "acme/net", "version": "2.0.0"}])


def test_the_tenants_own_catalog_decides_what_may_be_resolved(
    database: Database, publish: Publish, acme: Principal, rival: Principal
) -> None:
    for version in ("1.0.0", "2.0.0"):
        publish(acme, "net", version, visibility=PUBLIC)
    publish(rival, "shop", "1.0.0", needs=["acme/net>=1"])
    assert resolve(database, rival, "rival/shop")["acme/net"] == "2.0.0"

    def decide(**decision: Any) -> None:
        with database.tenant_session(rival.tenant_id) as session:
            AssetService(session).decide(rival, "acme", "net", DecideEntry(**decision))

    decide(allowed="<2")
    assert resolve(database, rival, "rival/shop")["acme/net"] == "1.0.0"
    decide(hidden=True, reason="Use ours.")
    assert "acme/net" in refused(database, rival, "rival/shop")
    assert "acme/net" in refused(database, rival, "acme/net")
    assert resolve(database, acme, "acme/net")["acme/net"] == "2.0.0"
