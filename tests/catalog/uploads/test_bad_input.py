"""Bad input at the door: fuzzed manifests, names that look alike, ten thousand versions, and two at once."""

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.check import check_archive
from catalog.assets.errors import NamespaceTakenError, VersionExistsError
from catalog.assets.kinds import kinds
from catalog.assets.lookalikes import looking_like, skeleton
from catalog.assets.models import AssetVersion, Namespace
from catalog.assets.references import AssetReference, parse_reference
from catalog.assets.service import AssetService
from catalog.assets.versions import parse_version
from catalog.db import Database
from catalog.errors import SlipwayError
from catalog.providers.blobs.local import LocalBlobs
from catalog.tenancy import Principal
from catalog.uploads.models import Publication
from catalog.uploads.service import UploadService

Packer = Callable[..., bytes]
Publisher = Callable[..., Publication]
names = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
PLACES = st.sampled_from(
    [
        ("kind",), ("apiVersion",), ("metadata",), ("metadata", "name"), ("metadata", "version"),
        ("metadata", "license"), ("metadata", "links"), ("metadata", "changes"), ("requires",),
        ("dependencies",), ("upgrades",), ("inputs",), ("inputs", "immutable"), ("outputs",), ("spec",),
        ("spec", "targets"), ("spec", "environment"), ("spec", "ttl"),
        ("spec", "wheel"), ("spec", "entrypoints"), ("spec", "strategy"), ("new",),
    ]
)  # fmt: skip


def changed(manifest: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    node = manifest
    for step in place[:-1]:
        inner = node.get(step)
        node[step] = node = inner if isinstance(inner, dict) else {}
    node[place[-1]] = value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(sorted(kinds())), changes=st.lists(st.tuples(PLACES, VALUES), min_size=1, max_size=3))
def test_no_manifest_brings_the_check_down(kind: str, changes: list[tuple[tuple[str, ...], Any]]) -> None:
    files = dict(kinds()[kind].skeleton("acme", "thing"))
    manifest = yaml.safe_load(files["asset.yaml"])
    for place, value in changes:
        changed(manifest, place, value)
    files["asset.yaml"] = yaml.safe_dump(manifest, allow_unicode=True).encode("utf-8", "surrogatepass")
    checked = check_archive(build_archive({path: PackageFile(data) for path, data in files.items()}).data)
    for finding in checked.findings:
        assert finding.message
        assert finding.rule
        assert str(finding).isprintable(), finding


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_bytes_bring_the_check_down(data: bytes) -> None:
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "thing"))
    files["asset.yaml"] = data
    archive = build_archive({path: PackageFile(content) for path, content in files.items()}).data
    assert check_archive(archive).errors


@given(name=names)
def test_a_skeleton_stands_for_itself(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name)
    assert looking_like(name, [name]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("paypal", "paypa1"), ("google", "g00gle"), ("acme-web", "acmeweb"), ("modern", "modem"), ("w", "vv")],
)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert looking_like(one, [other, "something"]) == [other]


def test_a_namespace_that_looks_like_anothers_is_refused(
    acme: Principal, rival: Principal, database: Database, pack: Packer, publish: Publisher
) -> None:
    publish(acme, pack("wolfram-labs", "shop"))
    for name in ("wo1fram-labs", "wolframlabs", "w0lfram-labs", "wolfrarn-labs"):
        with pytest.raises(NamespaceTakenError):
            publish(rival, pack(name, "shop"))
        with pytest.raises(NamespaceTakenError, match="looks like your namespace wolfram-labs"):
            publish(acme, pack(name, "shop"))
    with database.tenant_session(rival.tenant_id) as session:
        assert session.exec(select(Namespace)).all() == []


@pytest.mark.parametrize("name", ["sl1pway", "s1ipway", "slip-way"])
def test_nothing_looks_like_the_curated_namespace(acme: Principal, pack: Packer, publish: Publisher, name: str) -> None:
    with pytest.raises(NamespaceTakenError):
        publish(acme, pack(name, "shop"))


def test_an_asset_that_looks_like_another_of_its_namespace_is_published_with_a_warning(
    acme: Principal, pack: Packer, publish: Publisher
) -> None:
    assert publish(acme, pack("acme", "web-app")).findings == []
    (warning,) = publish(acme, pack("acme", "webapp")).findings
    assert warning["rule"] == "look-alike"
    assert "acme/web-app" in warning["message"]
    assert publish(acme, pack("acme", "web-app", version="0.2.0")).findings == []


@pytest.mark.parametrize("name", ["Acme", "ACME", "ac_me", "акме", "acm\u0435", "-acme", "acme-"])
def test_a_name_in_capitals_or_other_letters_is_refused(
    acme: Principal, pack: Packer, publish: Publisher, name: str
) -> None:
    archive = pack(f"'{name}'", "shop")
    with pytest.raises(SlipwayError) as refusal:
        publish(acme, archive)
    assert "lower-case letters, digits and inner dashes" in " ".join(each.detail for each in refusal.value.errors)


MANY = 10_000


def fill(database: Database, principal: Principal, first: Publication, count: int) -> None:
    """Give the asset of ``first`` many versions, as copies of its row."""
    columns = [column.name for column in AssetVersion.__table__.columns if column.computed is None]  # type: ignore[attr-defined]  # SQLModel's own
    given = {
        "id": "gen_random_uuid()",
        "version": "'1.' || n || '.0'",
        "semver": "'1.' || n || '.0'",
        "major": "1",
        "minor": "n",
        "blob_digest": "encode(sha256(('v' || n)::bytea), 'hex')",
    }
    chosen = ", ".join(given.get(name, f"v.{name}") for name in columns)
    statement = f"INSERT INTO asset_versions ({', '.join(columns)}) SELECT {chosen} "  # names of columns
    statement += "FROM asset_versions AS v, generate_series(1, :count) AS n WHERE v.id = :id"
    with database.tenant_session(principal.tenant_id) as session:
        session.connection().execute(text(statement), {"count": count, "id": first.published.id})
    with database.tenant_session(principal.tenant_id) as session:
        session.connection().execute(text("ANALYZE asset_versions"))


def test_ten_thousand_versions_of_one_asset(
    acme: Principal, database: Database, blobs: LocalBlobs, pack: Packer, publish: Publisher
) -> None:
    """Publishing does not read the other versions, whatever their number; what lists them stays answerable."""
    fill(database, acme, publish(acme, pack("acme", "shop")), MANY)
    archive = pack("acme", "shop", version="1.10001.0")
    statements: list[str] = []
    with database.tenant_session(acme.tenant_id) as session:
        began = time.monotonic()
        publication = UploadService(session, blobs).receive(acme, io.BytesIO(archive))
        assert time.monotonic() - began < 20
        loaded = [each for each in session.identity_map.values() if isinstance(each, AssetVersion)]
        statements += [each.version for each in loaded]
    assert len(statements) <= 3
    assert publication.published.version == "1.10001.0"
    with database.tenant_session(acme.tenant_id) as session:
        service = AssetService(session)
        assert service.get(acme.tenant_id, "acme", "shop").latest_version == "1.10001.0"
        assert len(service.versions(acme.tenant_id, "acme", "shop")) == MANY + 2
        wanted: AssetReference = parse_reference("acme/shop>=1.5,<1.6")
        assert service.resolve(acme.tenant_id, wanted).version == "1.5.0"
    with pytest.raises(VersionExistsError):
        publish(acme, pack("acme", "shop", version="1.77.0"))
    assert parse_version("1.10001.0") > parse_version("1.9999.0")


def test_two_archives_of_one_version_at_once_end_as_one_version(
    acme: Principal, pack: Packer, publish: Publisher
) -> None:
    archives = [pack("acme", "shop", summary=f"Number {number}") for number in range(4)]

    def go(archive: bytes) -> str:
        try:
            return publish(acme, archive).published.blob_digest
        except VersionExistsError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(go, archives))
    assert outcomes.count("version_exists") == 3
