"""Assets carried from one Slipway to another, which has never heard of the first."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.errors import AssetNotFoundError
from catalog.assets.models import ChangeVersionState, Visibility
from catalog.assets.resolver import ResolveAssets
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import ImportedKey, RevokeKey
from catalog.db import Database
from catalog.gates import PolicyDesk
from catalog.policies.shapes import CreateBinding
from catalog.providers.blobs.local import LocalBlobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.transfers.artifacts import digest_of
from catalog.transfers.errors import LayoutRefusedError, LayoutUnsignedError
from catalog.transfers.exporting import ExportService
from catalog.transfers.importing import ImportReport, ImportService
from catalog.uploads.service import UploadService

Change = Callable[[dict[str, bytes]], None]
PUBLIC = Visibility.PUBLIC


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let statements be signed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


class Slipway:
    """One installation after another, in the same database."""

    def __init__(self, database: Database, settings: Settings, principal: Principal, folder: Path) -> None:
        self.database, self.settings, self.principal, self.folder = database, settings, principal, folder
        self.blobs = LocalBlobs(folder / "blobs-1")

    def publish(
        self, name: str, version: str, needs: str = "", visibility: Visibility | None = None, *, draft: bool = False
    ) -> None:
        files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", name).items()}
        manifest = files["asset.yaml"].content.decode().replace("version: 0.1.0", f"version: {version}")
        if needs:
            manifest += f'\ndependencies:\n  - {{asset: {needs}, kind: deployment-blueprint, version: ">=0"}}\n'
        files["asset.yaml"] = PackageFile(manifest.encode())
        data = io.BytesIO(build_archive(files).data)
        with self.database.tenant_session(self.principal.tenant_id) as session:
            UploadService(session, self.blobs).receive(self.principal, data, visibility, draft=draft)

    def move(self, verb: str, name: str, version: str) -> None:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            change = ChangeVersionState(reason=f"To {verb}.")
            getattr(AssetService(session), verb)(self.principal, "acme", name, version, change)

    def sign(self, name: str, version: str) -> None:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            row = AssetService(session).version(self.principal.tenant_id, "acme", name, version)
            service = SupplyChainAttestationService(session, self.settings, self.blobs)
            service.sign_published(self.principal, row.model_dump())

    def export(self, *requirements: str) -> bytes:
        target = io.BytesIO()
        with self.database.tenant_session(self.principal.tenant_id) as session:
            service = ExportService(session, self.settings, self.blobs)
            service.export(self.principal, ResolveAssets(requirements=[*requirements]), target)
        return target.getvalue()

    def bring_in(self, layout: bytes, principal: Principal | None = None, *, accept: bool = False) -> ImportReport:
        who = principal or self.principal
        with self.database.tenant_session(who.tenant_id) as session:
            service = ImportService(session, self.settings, self.blobs)
            return service.bring_in(who, io.BytesIO(layout), accept_unknown_signer=accept)

    def leave(self) -> None:
        """Go to another installation: nothing of the first is there."""
        engine = create_engine(self.settings.database_owner_url, poolclass=NullPool)
        tables = "asset_versions, assets, namespaces, uploads, attestations, attestation_subjects"
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {tables} CASCADE"))
        self.blobs = LocalBlobs(self.folder / "blobs-2")

    def states(self, name: str) -> dict[str, str]:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            found = AssetService(session).versions(self.principal.tenant_id, "acme", name)
            return {each.version: each.state.value for each in found}

    def visibility(self, name: str) -> Visibility:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return AssetService(session).get(self.principal.tenant_id, "acme", name).visibility


@pytest.fixture
def slipway(database: Database, settings: Settings, acme: Principal, tmp_path: Path) -> Slipway:
    """Return a Slipway with acme/shop, which needs acme/net."""
    made = Slipway(database, settings, acme, tmp_path)
    made.publish("net", "1.0.0")
    made.publish("shop", "1.0.0", needs="acme/net", visibility=PUBLIC)
    return made


def changed(layout: bytes, change: Change) -> bytes:
    """Return a layout with other files."""
    with tarfile.open(fileobj=io.BytesIO(layout)) as tar:
        files = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}
    change(files)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def test_everything_that_is_needed_arrives_and_is_seen_by_nobody_more(slipway: Slipway) -> None:
    layout = slipway.export("acme/shop")
    slipway.leave()
    report = slipway.bring_in(layout)
    assert [(each.asset, each.version, each.outcome) for each in report.versions] == [
        ("acme/net", "1.0.0", "published"),
        ("acme/shop", "1.0.0", "published"),
    ]
    assert slipway.visibility("shop") is Visibility.PRIVATE, "though it was public where it came from"
    again = slipway.bring_in(layout)
    assert [each.outcome for each in again.versions] == ["present", "present"]
    assert again.states == []


def test_the_same_assets_give_the_same_layout_but_for_its_signature(slipway: Slipway) -> None:
    first = slipway.export("acme/shop")
    second = slipway.export("acme/shop")
    assert len(first) == len(second)
    # The signed statement itself, and the manifest that names it.
    assert len(digests(first) - digests(second)) in {0, 2}
    slipway.leave()
    slipway.bring_in(first)
    assert digests(slipway.export("acme/shop")) & digests(first) >= contents(first)


def digests(layout: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(layout)) as tar:
        return {member.name for member in tar if member.name.startswith("blobs/")}


def contents(layout: bytes) -> set[str]:
    """Return the names of the archives in a layout."""
    found = set()
    with tarfile.open(fileobj=io.BytesIO(layout)) as tar:
        for member in tar:
            data = (tar.extractfile(member) or io.BytesIO()).read()
            if data[:2] == b"\x1f\x8b":
                found.add(member.name)
    assert len(found) == 2
    return found


def test_states_travel_and_are_never_lifted(slipway: Slipway) -> None:
    slipway.publish("net", "1.1.0")
    young = slipway.export("acme/shop", "acme/net==1.0.0")
    slipway.move("deprecate", "net", "1.0.0")
    slipway.move("revoke", "net", "1.1.0")
    old = slipway.export("acme/shop", "acme/net==1.0.0")
    newer = slipway.export("acme/shop")
    slipway.leave()
    slipway.bring_in(young)
    assert slipway.states("net") == {"1.0.0": "published"}
    report = slipway.bring_in(old)
    assert report.states == ["acme/net 1.0.0 is deprecated"]
    slipway.bring_in(young)
    assert slipway.states("net") == {"1.0.0": "deprecated"}, "an older layout lifts nothing"
    slipway.move("revoke", "net", "1.0.0")
    slipway.bring_in(newer)
    assert slipway.states("net") == {"1.0.0": "revoked"}, "revoked stays revoked"


def test_a_revocation_reaches_a_version_that_came_before(slipway: Slipway) -> None:
    before = slipway.export("acme/net")
    slipway.publish("net", "1.1.0")
    slipway.move("revoke", "net", "1.0.0")
    after = slipway.export("acme/net")
    slipway.leave()
    slipway.bring_in(before)
    report = slipway.bring_in(after)
    assert report.states == ["acme/net 1.0.0 is revoked"]
    assert slipway.states("net") == {"1.0.0": "revoked", "1.1.0": "published"}


def test_a_quarantine_travels_and_is_lifted_by_no_layout(slipway: Slipway) -> None:
    slipway.publish("net", "1.1.0")
    before = slipway.export("acme/net")
    slipway.move("yank", "net", "1.0.0")
    slipway.move("quarantine", "net", "1.0.0")
    held = slipway.export("acme/net")
    slipway.leave()
    slipway.bring_in(before)
    slipway.publish("net", "1.0.0")
    assert slipway.bring_in(held).states == ["acme/net 1.0.0 is quarantined"]
    slipway.bring_in(before)
    assert slipway.states("net") == {"1.0.0": "quarantined", "1.1.0": "published"}


def test_what_is_not_out_yet_stays_in_the_house(slipway: Slipway) -> None:
    slipway.publish("net", "1.1.0", draft=True)
    slipway.publish("net", "1.2.0", draft=True)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        AssetService(session).submit(slipway.principal, "acme", "net", "1.2.0", "Zeppelin is the customer.")
    with tarfile.open(fileobj=io.BytesIO(slipway.export("acme/net"))) as tar:
        pieces = [(tar.extractfile(member) or io.BytesIO()).read() for member in tar]
    (record,) = [json.loads(each) for each in pieces if each.startswith(b'{"lock"')]
    assert [each["version"] for each in record["states"]] == ["1.0.0"]
    assert not any(b"Zeppelin" in each for each in pieces)


def test_signed_statements_travel_and_count_where_their_signer_is_trusted(slipway: Slipway) -> None:
    slipway.sign("net", "1.0.0")
    layout = slipway.export("acme/net")
    slipway.leave()
    (version,) = slipway.bring_in(layout).versions
    assert (version.statements, version.unknown) == (1, 0), "the tenant's key is the same"


def test_what_policies_refuse_does_not_come_in(slipway: Slipway, publish_policy: Callable[..., str]) -> None:
    layout = slipway.export("acme/shop")
    slipway.leave()
    publish_policy(slipway.principal, "guard", 'deny contains "Nothing from elsewhere." if input.asset.name == "shop"')
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        PolicyDesk(session, slipway.settings).policies.bind(slipway.principal, CreateBinding(bundle="acme/guard"))
    report = slipway.bring_in(layout)
    assert {each.asset: each.outcome for each in report.versions} == {"acme/net": "published", "acme/shop": "refused"}
    assert "Nothing from elsewhere." in str(report)


def test_an_asset_of_somebody_elses_namespace_is_refused_alone(
    slipway: Slipway, rival: Principal, database: Database
) -> None:
    layout = slipway.export("acme/shop")
    report = slipway.bring_in(layout, rival, accept=True)
    # The shop is public: the rival sees these very bytes already.
    assert {each.asset: each.outcome for each in report.versions} == {"acme/net": "refused", "acme/shop": "present"}
    assert "belongs to another publisher" in report.versions[0].detail
    with database.tenant_session(rival.tenant_id) as session, pytest.raises(AssetNotFoundError):
        AssetService(session).get(rival.tenant_id, "acme", "net")


def flip(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.startswith("blobs/"))
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])


def drop(files: dict[str, bytes]) -> None:
    del files[next(name for name, data in files.items() if data[:2] == b"\x1f\x8b")]


def swap(files: dict[str, bytes]) -> None:
    """Let the index name another archive under the same configuration."""
    index = json.loads(files["index.json"])
    entry = next(each for each in index["manifests"] if "dev.slipway.asset" in each.get("annotations", {}))
    manifest = json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"])
    others = [data for data in files.values() if data[:2] == b"\x1f\x8b"]
    other = next(data for data in others if digest_of(data) != manifest["layers"][0]["digest"])
    manifest["layers"][0] |= {"digest": digest_of(other), "size": len(other)}
    data = json.dumps(manifest).encode()
    files[f"blobs/sha256/{digest_of(data)[7:]}"] = data
    entry |= {"digest": digest_of(data), "size": len(data)}
    files["index.json"] = json.dumps(index).encode()


def stray(files: dict[str, bytes]) -> None:
    files["../../etc/passwd"] = b"x"


def unmarked(files: dict[str, bytes]) -> None:
    del files["oci-layout"]


def unlisted(files: dict[str, bytes]) -> None:
    files["index.json"] = b"{}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (flip, "blobs/sha256/"),
        (drop, "blobs/sha256/"),
        (swap, "blobs/sha256/"),
        (stray, "../../etc/passwd"),
        (unmarked, "oci-layout"),
        (unlisted, "index.json"),
    ],
)
def test_a_layout_that_was_changed_is_refused_and_the_file_named(slipway: Slipway, change: Change, named: str) -> None:
    layout = changed(slipway.export("acme/shop"), change)
    slipway.leave()
    with pytest.raises(LayoutRefusedError) as refused:
        slipway.bring_in(layout)
    assert named in refused.value.detail
    assert refused.value.errors[0].pointer.startswith(f"/{named}")
    with pytest.raises(AssetNotFoundError):
        slipway.states("net")


def test_the_record_of_states_is_signed_by_the_exporter(slipway: Slipway, rival: Principal) -> None:
    layout = slipway.export("acme/shop")
    slipway.leave()
    assert slipway.bring_in(layout).signer == "acme signing key"
    with pytest.raises(LayoutUnsignedError, match="Import the exporter's public key"):
        slipway.bring_in(layout, rival)
    assert slipway.bring_in(layout, rival, accept=True).signer is None
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        (key,) = SupplyChainAttestationService(session, slipway.settings).keys(slipway.principal.tenant_id)
    with slipway.database.tenant_session(rival.tenant_id) as session:
        asked = ImportedKey(name="the other Slipway", public_key=key.public_key)
        SupplyChainAttestationService(session, slipway.settings).import_key(rival, asked)
    assert slipway.bring_in(layout, rival).signer == "the other Slipway"


def test_what_a_revoked_key_signed_is_not_taken_at_all(slipway: Slipway) -> None:
    layout = slipway.export("acme/net")
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        service = SupplyChainAttestationService(session, slipway.settings)
        (key,) = service.keys(slipway.principal.tenant_id)
        service.revoke_key(slipway.principal, key.id, RevokeKey(reason="Lost."))
    for accept in (False, True):
        with pytest.raises(LayoutRefusedError, match="is revoked: Lost"):
            slipway.bring_in(layout, accept=accept)


Said = Callable[[dict[str, Any]], object]


def resaid(layout: bytes, change: Said, *, sealed: bool = True) -> bytes:
    """Return a layout with another record, everything else fitted to it; ``sealed`` leaves its signature there."""

    def fit(files: dict[str, bytes]) -> None:
        index = json.loads(files["index.json"])
        entry = next(each for each in index["manifests"] if "dev.slipway.export" in each.get("annotations", {}))
        seal = next(each for each in index["manifests"] if "export/v1" in str(each.get("annotations")))
        manifest = read(files, entry["digest"])
        record = read(files, manifest["layers"][0]["digest"])
        change(record)
        manifest["layers"][0] |= put(files, record)
        old, new = entry["digest"], put(files, manifest)
        entry |= new
        referrer = read(files, seal["digest"])
        assert referrer["subject"]["digest"] == old
        referrer["subject"] |= new
        seal |= put(files, referrer)
        if not sealed:
            index["manifests"].remove(seal)
        files["index.json"] = json.dumps(index).encode()

    return changed(layout, fit)


def read(files: dict[str, bytes], digest: str) -> Any:
    return json.loads(files[f"blobs/sha256/{digest[7:]}"])


def put(files: dict[str, bytes], document: object) -> dict[str, Any]:
    data = json.dumps(document).encode()
    files[f"blobs/sha256/{digest_of(data)[7:]}"] = data
    return {"digest": digest_of(data), "size": len(data)}


def test_a_state_that_was_left_out_or_changed_breaks_the_signature(slipway: Slipway) -> None:
    before = slipway.export("acme/net")
    slipway.publish("net", "1.1.0")
    slipway.move("revoke", "net", "1.0.0")
    after = slipway.export("acme/net")
    slipway.leave()
    slipway.bring_in(before)
    for accept in (False, True):
        for change in (
            lambda record: record["states"].clear(),
            lambda record: record["states"][0].update(state="yanked"),
        ):
            with pytest.raises(LayoutRefusedError, match="about something else"):
                slipway.bring_in(resaid(after, change), accept=accept)
    with pytest.raises(LayoutUnsignedError, match="Nobody signed"):
        slipway.bring_in(resaid(after, lambda record: record["states"].clear(), sealed=False))
    assert slipway.states("net") == {"1.0.0": "published"}
    slipway.bring_in(after)
    assert slipway.states("net")["1.0.0"] == "revoked"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record["lock"].pop(), "says nothing of it as acme/"),
        (
            lambda record: record["lock"].append({"asset": "a/b", "version": "1.0.0", "digest": "x"}),
            "not in the layout",
        ),
        (lambda record: record["lock"].append({"asset": "a/b"}), "no record"),
        (lambda record: record["states"].append({"asset": 1}), "no record"),
        (lambda record: record["states"][0].update(state="blessed"), "no record"),
        (lambda record: record["states"][0].update(reason={"a": 1}), "no record"),
        (lambda record: record.pop("states"), "no record"),
    ],
    ids=["added asset", "missing asset", "half a lock", "half a state", "strange state", "strange reason", "no states"],
)
def test_a_record_that_does_not_fit_its_layout_is_refused(slipway: Slipway, change: Said, says: str) -> None:
    layout = resaid(slipway.export("acme/shop"), change, sealed=False)
    slipway.leave()
    with pytest.raises(LayoutRefusedError, match=says):
        slipway.bring_in(layout, accept=True)


def test_reasons_from_elsewhere_are_texts_that_can_be_kept(slipway: Slipway) -> None:
    slipway.move("revoke", "net", "1.0.0")
    slipway.publish("net", "1.1.0")
    long = "\x00" + "x" * 5000

    def talk(record: dict[str, Any]) -> None:
        for each in record["states"]:
            each.update(reason=long, replacement=long, more=long)

    layout = resaid(slipway.export("acme/net"), talk, sealed=False)
    slipway.leave()
    slipway.bring_in(layout, accept=True)
    assert slipway.states("net") == {"1.1.0": "published"}


def twice(files: dict[str, bytes]) -> None:
    index = json.loads(files["index.json"])
    index["manifests"] += [each for each in index["manifests"] if "dev.slipway.export" in each.get("annotations", {})]
    files["index.json"] = json.dumps(index).encode()


def test_two_records_are_refused(slipway: Slipway) -> None:
    with pytest.raises(LayoutRefusedError, match="more than one record"):
        slipway.bring_in(changed(slipway.export("acme/net"), twice), accept=True)


def test_a_file_that_is_mostly_holes_is_refused(slipway: Slipway) -> None:
    """A tar of some kilobytes could ask for terabytes to be read otherwise."""
    block = b"\0" * 512
    entry = tarfile.TarInfo("blobs/sha256/" + "0" * 64)
    entry.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    header[386:398], header[398:410] = b"00000000000\0", b"00000000000\0"
    header[483:495] = b"00100000000\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with pytest.raises(LayoutRefusedError, match="no place in a layout"):
        slipway.bring_in(bytes(header) + block * 2, accept=True)


@pytest.mark.parametrize("data", [b"", b"nonsense" * 200, b"\x1f\x8b\x08\x00"])
def test_what_is_no_layout_is_refused(slipway: Slipway, data: bytes) -> None:
    with pytest.raises(LayoutRefusedError):
        slipway.bring_in(data)
