"""Stored assets: searching them, choosing a version, the life of a version, and that tenants see only theirs."""

from collections.abc import Callable

import pytest
from sqlalchemy import event, text
from sqlmodel import select

from catalog.assets.errors import (
    ArchiveUnavailableError,
    AssetNotFoundError,
    InvalidReferenceError,
    VersionNotSelectableError,
    VersionStateError,
)
from catalog.assets.models import (
    Asset,
    AssetVersion,
    AssetVersionRead,
    ChangeVersionState,
    Namespace,
    SearchQuery,
    SearchResult,
    VersionState,
    Visibility,
)
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.errors import ForbiddenError, InvalidInputError
from catalog.events.models import EventRecord
from catalog.providers.blobs.local import LocalBlobs
from catalog.tenancy import Principal

Publish = Callable[..., AssetVersionRead]
PUBLIC = Visibility.PUBLIC
WHY = ChangeVersionState(reason="It loses data.", replacement="acme/shop>=2")


def search(database: Database, who: Principal, q: str = "", **query: object) -> SearchResult:
    with database.tenant_session(who.tenant_id) as session:
        return AssetService(session).search(who.tenant_id, SearchQuery.model_validate({"q": q, **query}))


def names(result: SearchResult) -> list[str]:
    return [f"{item.namespace}/{item.name}" for item in result.items]


def resolve(database: Database, who: Principal, reference: str) -> str:
    with database.tenant_session(who.tenant_id) as session:
        return AssetService(session).resolve(who.tenant_id, parse_reference(reference)).version


def move(database: Database, who: Principal, verb: str, name: str, version: str) -> AssetVersionRead:
    with database.tenant_session(who.tenant_id) as session:
        moved: AssetVersionRead = getattr(AssetService(session), verb)(who, "acme", name, version, WHY)
        return moved


@pytest.fixture
def shelf(acme: Principal, publish: Publish) -> None:
    """Four assets of three kinds."""
    publish(acme, "web", displayName="Shop window", summary="Runs it", keywords="[storefront]")
    publish(acme, "web-preview", displayName="Previews", summary="A preview of the web", keywords="[x]")
    publish(acme, "rules", kind="policy-bundle", version="0.1.0", summary="Rules for web releases")
    publish(acme, "tests", kind="pipeline-template", displayName="Tests", summary="Runs tests")


@pytest.mark.usefixtures("shelf")
class TestSearch:
    def test_without_words_everything_is_listed_by_name(self, database: Database, acme: Principal) -> None:
        result = search(database, acme)
        assert names(result) == ["acme/rules", "acme/tests", "acme/web", "acme/web-preview"]
        assert result.total == 4
        assert result.hints == []

    def test_the_exact_name_comes_first_then_the_better_match(self, database: Database, acme: Principal) -> None:
        for q in ("web", "acme/web", " WEB "):
            assert names(search(database, acme, q))[0] == "acme/web"
        assert names(search(database, acme, "web")) == ["acme/web", "acme/web-preview", "acme/rules"]

    @pytest.mark.parametrize("q", ["stor", "shop wind", "window!", "SHOP"])
    def test_words_may_be_beginnings(self, database: Database, acme: Principal, q: str) -> None:
        assert "acme/web" in names(search(database, acme, q))

    @pytest.mark.parametrize("q", ["'", "a' | 'b", ":*", "&", "\\", "!web", "%", "(", "web:A", "<->", "\u0661", "a\0b"])
    def test_no_text_breaks_the_search(self, database: Database, acme: Principal, q: str) -> None:
        search(database, acme, q)

    def test_facets_count_with_the_other_filters_as_they_are(self, database: Database, acme: Principal) -> None:
        result = search(database, acme, "web", kind="policy-bundle")
        assert names(result) == ["acme/rules"]
        kinds = {facet.value: (facet.count, facet.selected) for facet in result.facets["kind"]}
        assert kinds == {"deployment-blueprint": (2, False), "policy-bundle": (1, True)}
        assert result.facets["archetype"] == []
        by_archetype = search(database, acme, archetype="ui")
        assert names(by_archetype) == ["acme/web", "acme/web-preview"]
        assert {facet.value: facet.count for facet in by_archetype.facets["archetype"]} == {
            "library": 1,
            "microservice": 2,
            "ui": 2,
        }

    def test_nothing_found_says_which_filter_is_to_blame(self, database: Database, acme: Principal) -> None:
        result = search(database, acme, "storefront", kind="policy-bundle")
        assert (result.items, result.total) == ([], 0)
        assert [(hint.remove, hint.value, hint.count) for hint in result.hints] == [
            ("kind", "policy-bundle", 1),
            ("q", "storefront", 1),
        ]

    def test_pages_follow_each_other_without_gap_or_repeat(self, database: Database, acme: Principal) -> None:
        for q in ("", "web"):
            expected = names(search(database, acme, q))
            found: list[str] = []
            cursor: str | None = None
            while True:
                page = search(database, acme, q, limit=1, cursor=cursor)
                found += names(page)
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert found == expected

    @pytest.mark.parametrize(
        "cursor", ["x", "!!!", "W10", "bnVsbA", "WzAsIk5hTiIsImEiLCJiIl0", "WzAsIjAiLCJcdWQ4MDAiLCJiIl0"]
    )
    def test_a_foreign_cursor_is_refused(self, database: Database, acme: Principal, cursor: str) -> None:
        with pytest.raises(InvalidInputError, match="cursor"):
            search(database, acme, cursor=cursor)

    def test_a_page_costs_four_statements_however_long_it_is(self, database: Database, acme: Principal) -> None:
        for limit in (1, 3):
            statements: list[str] = []
            event.listen(
                database.app, "before_cursor_execute", lambda *args, seen=statements: seen.append(args[2]), named=False
            )
            search(database, acme, "web", limit=limit)
            assert len([each for each in statements if "set_config" not in each]) == 4


class TestTenants:
    def test_private_assets_exist_for_their_tenant_alone(
        self, database: Database, acme: Principal, rival: Principal, publish: Publish
    ) -> None:
        version = publish(acme, "shop")
        assert search(database, rival).total == 0
        assert not any(search(database, rival, "shop").facets.values())
        assert search(database, rival, "nothing", namespace="acme").hints == []
        with database.tenant_session(rival.tenant_id) as session:
            service = AssetService(session)
            for read in (
                lambda: service.get(rival.tenant_id, "acme", "shop"),
                lambda: service.versions(rival.tenant_id, "acme", "shop"),
                lambda: service.get_version(rival.tenant_id, "acme", "shop", "1.0.0"),
                lambda: service.version_by_id(rival.tenant_id, version.id),
                lambda: service.resolve(rival.tenant_id, parse_reference("acme/shop")),
                lambda: service.yank(rival, "acme", "shop", "1.0.0", WHY),
            ):
                with pytest.raises(AssetNotFoundError):
                    read()

    def test_the_database_hides_them_even_from_queries_that_forget_the_tenant(
        self, database: Database, acme: Principal, rival: Principal, publish: Publish
    ) -> None:
        publish(acme, "shop")
        publish(acme, "open", visibility=PUBLIC)
        with database.tenant_session(rival.tenant_id) as session:
            assert [row.name for row in session.exec(select(Asset)).all()] == ["open"]
            assert [row.name for row in session.exec(select(AssetVersion)).all()] == ["open"]
            assert session.exec(select(Namespace)).all() == []
            for table in ("assets", "asset_versions"):
                changed = session.connection().execute(text(f"UPDATE {table} SET name = 'mine'"))  # noqa: S608
                assert changed.rowcount == 0
        with database.tenant_session(None) as session:
            assert [row.name for row in session.exec(select(Asset)).all()] == ["open"]

    def test_public_assets_are_read_by_all_and_written_by_their_owner(
        self, database: Database, acme: Principal, rival: Principal, publish: Publish, blobs: LocalBlobs
    ) -> None:
        publish(acme, "open", visibility=PUBLIC)
        result = search(database, rival)
        assert [(item.name, item.owned) for item in result.items] == [("open", False)]
        assert {facet.value: facet.count for facet in result.facets["namespace"]} == {"acme": 1}
        with database.tenant_session(rival.tenant_id) as session:
            service = AssetService(session)
            assert service.get_version(rival.tenant_id, "acme", "open").version == "1.0.0"
            assert service.archive(rival.tenant_id, "acme", "open", "1.0.0", blobs)
            with pytest.raises(ForbiddenError, match="another publisher"):
                service.revoke(rival, "acme", "open", "1.0.0", WHY)

    def test_an_asset_cannot_be_put_into_anothers_namespace(
        self, database: Database, acme: Principal, rival: Principal, publish: Publish
    ) -> None:
        publish(acme, "shop")
        with database.tenant_session(acme.tenant_id) as session:
            row = session.exec(select(Asset)).one().model_dump(exclude={"id", "search"})
        with pytest.raises(Exception, match="fk_assets_tenant_id_namespace_namespaces"):  # noqa: SIM117
            with database.tenant_session(rival.tenant_id) as session:
                session.add(Asset(**{**row, "tenant_id": rival.tenant_id}))


class TestVersions:
    def test_versions_come_newest_first_and_in_either_spelling(
        self, database: Database, acme: Principal, publish: Publish
    ) -> None:
        for version in ("1.10.0", "1.9.0", "2.0.0-rc.1", "1.10.0-alpha.1"):
            publish(acme, "shop", version=version)
        with database.tenant_session(acme.tenant_id) as session:
            service = AssetService(session)
            found = [row.version for row in service.versions(acme.tenant_id, "acme", "shop")]
            assert found == ["2.0.0rc1", "1.10.0", "1.10.0a1", "1.9.0"]
            assert service.get(acme.tenant_id, "acme", "shop").latest_version == "1.10.0"
            for spelling in ("2.0.0-rc.1", "2.0.0rc1"):
                assert service.get_version(acme.tenant_id, "acme", "shop", spelling).semver == "2.0.0-rc.1"
            for wrong in ("3.0.0", "v1.9.0", "1.9", "newest"):
                with pytest.raises(AssetNotFoundError):
                    service.get_version(acme.tenant_id, "acme", "shop", wrong)

    def test_a_reference_gets_the_newest_that_fits(self, database: Database, acme: Principal, publish: Publish) -> None:
        for version in ("1.0.0", "1.4.0", "2.0.0-rc.1"):
            publish(acme, "shop", version=version)
        assert resolve(database, acme, "acme/shop") == "1.4.0"
        assert resolve(database, acme, "acme/shop<1.4") == "1.0.0"
        assert resolve(database, acme, "acme/shop@2.0.0-rc.1") == "2.0.0rc1"
        assert resolve(database, acme, "acme/shop>=2.0.0rc1") == "2.0.0rc1"
        with pytest.raises(VersionNotSelectableError, match="Only pre-releases fit"):
            resolve(database, acme, "acme/shop>1.4")
        with pytest.raises(VersionNotSelectableError, match=r"The newest is 2\.0\.0rc1"):
            resolve(database, acme, "acme/shop>=3")

    @pytest.mark.parametrize(
        "reference", ["", "shop", "acme/", "/shop", "a/b/c", "acme/Shop", "acme/shop^", "acme/shop@"]
    )
    def test_what_names_no_asset_is_refused_with_the_form(self, reference: str) -> None:
        with pytest.raises(InvalidReferenceError) as refusal:
            parse_reference(reference, "/blueprint")
        assert refusal.value.errors[0].pointer == "/blueprint"

    def test_deprecated_versions_are_chosen_last_and_yanked_ones_by_pin_only(
        self, database: Database, acme: Principal, publish: Publish
    ) -> None:
        for version in ("1.0.0", "1.1.0"):
            publish(acme, "shop", version=version)
        assert move(database, acme, "deprecate", "shop", "1.1.0").state_reason == "It loses data."
        assert resolve(database, acme, "acme/shop") == "1.0.0"
        assert resolve(database, acme, "acme/shop>=1.1") == "1.1.0"
        move(database, acme, "yank", "shop", "1.1.0")
        assert resolve(database, acme, "acme/shop==1.1.0") == "1.1.0"
        with pytest.raises(VersionNotSelectableError, match=r"1\.1\.0 is yanked"):
            resolve(database, acme, "acme/shop>=1.1")
        move(database, acme, "revoke", "shop", "1.1.0")
        with pytest.raises(VersionNotSelectableError, match=r"1\.1\.0 is revoked"):
            resolve(database, acme, "acme/shop==1.1.0")

    def test_an_asset_without_a_choosable_version_is_in_no_list_but_keeps_its_page(
        self, database: Database, acme: Principal, rival: Principal, publish: Publish
    ) -> None:
        publish(acme, "shop", visibility=PUBLIC)
        move(database, acme, "yank", "shop", "1.0.0")
        assert search(database, acme).total == 0
        assert resolve(database, rival, "acme/shop==1.0.0") == "1.0.0"
        with database.tenant_session(rival.tenant_id) as session:
            assert AssetService(session).get(rival.tenant_id, "acme", "shop").latest_version is None
        move(database, acme, "restore", "shop", "1.0.0")
        assert search(database, rival).total == 1

    def test_a_quarantined_version_is_not_handed_out(
        self, database: Database, acme: Principal, publish: Publish, blobs: LocalBlobs
    ) -> None:
        publish(acme, "shop")
        move(database, acme, "quarantine", "shop", "1.0.0")
        refusal = pytest.raises(VersionStateError, match=r"in quarantine: It loses data\.")
        with database.tenant_session(acme.tenant_id) as session, refusal:
            AssetService(session).archive(acme.tenant_id, "acme", "shop", "1.0.0", blobs)
        assert move(database, acme, "restore", "shop", "1.0.0").state is VersionState.PUBLISHED

    @pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "Shop", "x" * 200, "../shop"])
    def test_what_cannot_be_a_name_names_no_asset(self, database: Database, acme: Principal, name: str) -> None:
        with database.tenant_session(acme.tenant_id) as session, pytest.raises(AssetNotFoundError):
            AssetService(session).get(acme.tenant_id, "acme", name)

    def test_revoked_is_for_ever(self, database: Database, acme: Principal, publish: Publish) -> None:
        publish(acme, "shop")
        move(database, acme, "revoke", "shop", "1.0.0")
        for verb in ("restore", "deprecate", "yank", "quarantine"):
            with pytest.raises(VersionStateError, match="stays revoked"):
                move(database, acme, verb, "shop", "1.0.0")

    def test_every_step_of_a_version_is_an_event(self, database: Database, acme: Principal, publish: Publish) -> None:
        version = publish(acme, "shop")
        for verb in ("deprecate", "yank", "quarantine", "restore", "restore", "revoke"):
            move(database, acme, verb, "shop", "1.0.0")
        with database.tenant_session(acme.tenant_id) as session:
            rows = session.exec(select(EventRecord).order_by(text("sequence"))).all()
        steps = [row for row in rows if row.type.startswith("dev.slipway.asset_version.")]
        assert [row.type.split(".")[3] for row in steps] == [
            "published",
            "deprecated",
            "yanked",
            "quarantined",
            "yanked",  # what it was before the quarantine
            "restored",
            "revoked",
        ]
        assert {row.subject for row in steps} == {steps[0].subject}
        assert all(row.data["version_id"] == str(version.id) for row in steps)
        assert steps[1].data["reason"] == "It loses data."

    def test_a_replacement_must_name_an_asset(self, database: Database, acme: Principal, publish: Publish) -> None:
        publish(acme, "shop")
        wrong = ChangeVersionState(reason="Old.", replacement="see the wiki")
        with database.tenant_session(acme.tenant_id) as session, pytest.raises(InvalidReferenceError):
            AssetService(session).deprecate(acme, "acme", "shop", "1.0.0", wrong)

    def test_damaged_bytes_are_never_served(
        self, database: Database, acme: Principal, publish: Publish, blobs: LocalBlobs
    ) -> None:
        version = publish(acme, "shop")
        blobs.delete(version.blob_digest)
        with database.tenant_session(acme.tenant_id) as session, pytest.raises(ArchiveUnavailableError):
            AssetService(session).archive(acme.tenant_id, "acme", "shop", "1.0.0", blobs)
