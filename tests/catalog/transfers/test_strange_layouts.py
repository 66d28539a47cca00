"""Layouts that somebody put together on purpose: whatever they say, they are refused as such or do no harm."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.resolver import ResolveAssets
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.providers.blobs.local import LocalBlobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.transfers.artifacts import digest_of
from catalog.transfers.errors import LayoutRefusedError
from catalog.transfers.exporting import ExportService
from catalog.transfers.importing import ImportReport, ImportService
from catalog.uploads.service import UploadService

Files = dict[str, bytes]
BringIn = Callable[[Files], ImportReport]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def here(database: Database, settings: Settings, acme: Principal, tmp_path: Path) -> tuple[Files, BringIn]:
    """Return the files of a layout that was exported here, and what imports files."""
    blobs = LocalBlobs(tmp_path / "blobs")
    signing = settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "net").items()}
    target = io.BytesIO()
    with database.tenant_session(acme.tenant_id) as session:
        UploadService(session, blobs).receive(acme, io.BytesIO(build_archive(files).data))
    with database.tenant_session(acme.tenant_id) as session:
        ExportService(session, signing, blobs).export(acme, ResolveAssets(requirements=["acme/net"]), target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        layout = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}

    def bring_in(changed: Files) -> ImportReport:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, data in changed.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        packed.seek(0)
        with database.tenant_session(acme.tenant_id) as session:
            return ImportService(session, signing, blobs).bring_in(acme, packed, accept_unknown_signer=True)

    return layout, bring_in


def places(document: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place in a JSON document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [place, *(found for key, each in inner for found in places(each, (*place, key)))]


def put(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    found = document
    for step in place[:-1]:
        found = found[step]
    found[place[-1]] = value
    return document


def fitted(files: Files, name: str, data: bytes) -> Files:
    """Return the files with other bytes for one, and whatever names it by its digest and size fitted to that."""
    if not name.startswith("blobs/"):
        return {**files, name: data}
    old, new = f"sha256:{name[-64:]}", digest_of(data)
    changed = {each: content for each, content in files.items() if each != name}
    changed[f"blobs/sha256/{new[7:]}"] = data
    for each in files:
        content = changed.get(each, b"")  # as it is now: fitting one document may have changed others
        if old.encode() not in content or not content.startswith(b"{"):
            continue
        document = json.loads(content)
        for place in places(document):
            found = document
            for step in place:
                found = found[step]
            if isinstance(found, dict) and found.get("digest") == old:
                found |= {"digest": new, **({"size": len(data)} if "size" in found else {})}
        changed = fitted(changed, each, json.dumps(document).encode())
    return changed


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_a_document_brings_an_import_down(here: tuple[Files, BringIn], data: st.DataObject) -> None:
    files, bring_in = here
    documents = sorted(name for name, content in files.items() if content.startswith(b"{"))
    name = data.draw(st.sampled_from(documents))
    document = json.loads(files[name])
    place = data.draw(st.sampled_from(places(document)))
    changed = json.dumps(put(document, place, data.draw(JSON))).encode()
    try:
        report = bring_in(fitted(files, name, changed))
    except LayoutRefusedError:
        return
    assert {each.outcome for each in report.versions} <= {"present", "refused"}


@pytest.mark.parametrize("version", ["", "x", "1.0.0\x00", "1" * 5000, "../1.0.0", "latest"])
def test_a_version_that_is_none_is_refused_alone(here: tuple[Files, BringIn], version: str) -> None:
    files, bring_in = here
    index = json.loads(files["index.json"])
    (entry,) = (each for each in index["manifests"] if "dev.slipway.asset" in each.get("annotations", {}))
    index["manifests"] = [each for each in index["manifests"] if "export/v1" not in str(each.get("annotations"))]
    record = next(name for name, content in files.items() if content.startswith(b'{"lock"'))
    entry["annotations"]["dev.slipway.version"] = version or "none"
    said = json.loads(files[record])
    said["lock"][0]["version"] = version or "none"
    said["states"][0] |= {"version": version, "state": "yanked"}
    report = bring_in(fitted({**files, "index.json": json.dumps(index).encode()}, record, json.dumps(said).encode()))
    assert [each.outcome for each in report.versions] == ["present"], "the archive itself says which version it is"
    assert report.states == []
