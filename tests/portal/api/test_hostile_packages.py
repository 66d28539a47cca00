"""Hostile packages at the doors that people use: a clear answer that names place and rule, nothing stored or lost."""

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.catalog.assets.test_archive import entry, tar_of
from tests.catalog.uploads.test_bad_input import PLACES, VALUES, changed

Client = TestClient[Litestar]
SOUND = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
RANDOM = Random(7)  # noqa: S311  # nothing that compresses
SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def packed(**changes: bytes | None) -> bytes:
    """Pack the sound package with other files: ``inputs__schema__json`` stands for a name with dots."""
    files = dict(SOUND)
    for name, data in changes.items():
        files |= {name.replace("__", "."): PackageFile(data)} if data is not None else {}
    return build_archive(files).data


def with_entry(name: str, **about: Any) -> bytes:
    """Pack the sound package with one entry more, which no list of files knows."""
    with tarfile.open(fileobj=io.BytesIO(build_archive(SOUND).data)) as tar:
        kept = [(each, tar.extractfile(each)) for each in tar.getmembers()]
        return tar_of(*((each, data.read() if data else b"") for each, data in kept), entry(name, **about))


def schema(**parts: Any) -> bytes:
    return json.dumps({"$schema": SCHEMA, "type": "object", **parts}).encode()


def nul() -> bytes:
    raw = bytearray(gzip.decompress(tar_of(entry("content/ok"))))
    raw[0:100] = b"content/ok\0../../x".ljust(100, b"\0")
    raw[148:156] = b"%06o\0 " % (sum(raw[0:148]) + sum(raw[156:512]) + 8 * 32)
    return gzip.compress(bytes(raw))


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("asset.yaml", SOUND["asset.yaml"].content)
    return buffer.getvalue()


def sparse() -> bytes:
    """Return a tar whose one entry says that it holds eight gigabytes."""
    header = tarfile.TarInfo("content/huge")
    header.size = 2**33
    return gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def laughs() -> bytes:
    """Return a little YAML that stands for a billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
    return "\n".join(lines).encode()


HOSTILE: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "a symbolic link": (lambda: with_entry("content/link", type_=tarfile.SYMTYPE), "entry-type"),
    "a hard link": (lambda: with_entry("content/link", type_=tarfile.LNKTYPE), "entry-type"),
    "a device": (lambda: with_entry("content/tty", type_=tarfile.CHRTYPE), "entry-type"),
    "a pipe": (lambda: with_entry("content/pipe", type_=tarfile.FIFOTYPE), "entry-type"),
    "a set-user-id file": (lambda: with_entry("content/run", data=b"x", mode=0o4755), "mode"),
    "an absolute name": (lambda: with_entry("/etc/passwd", data=b"x"), "path-absolute"),
    "a name that leads out": (lambda: with_entry("content/../../x", data=b"x"), "path-parent"),
    "a backslash": (lambda: with_entry("content\\x", data=b"x"), "path-backslash"),
    "a NUL": (nul, "path-nul"),
    "a reserved name": (lambda: with_entry("content/aux.txt", data=b"x"), "path-reserved"),
    "a name that is not NFC": (lambda: with_entry("content/e\u0301", data=b"x"), "path-nfc"),
    "names that differ by case": (lambda: with_entry("readme.md", data=b"x"), "path-collision"),
    "a name twice": (lambda: with_entry("README.md", data=b"x"), "path-duplicate"),
    "a name too long": (lambda: with_entry("content/" + "x" * 240, data=b"x"), "path-long"),
    "a bomb": (lambda: with_entry("content/zeros", data=bytes(20 * 1024 * 1024)), "ratio"),
    "files beyond number": (
        lambda: tar_of(*(entry(f"content/{number}", RANDOM.randbytes(400)) for number in range(5_010))),
        "file-count",
    ),
    "more than it holds": (sparse, "truncated"),
    "another archive": (zipped, "not-gzip"),
    "something after the end": (lambda: packed() + b"more", "trailing-data"),
    "half of it": (lambda: packed()[:-200], "truncated"),
    "a wrong checksum": (lambda: packed()[:-8] + struct.pack("<II", 0, 0), "damaged"),
    "a schema too large": (lambda: packed(inputs__schema__json=schema(title="x" * 70_000)), "document-size"),
    "a schema without a draft": (lambda: packed(inputs__schema__json=b'{"type": "object"}'), "schema-dialect"),
    "a reference to elsewhere": (
        lambda: packed(inputs__schema__json=schema(properties={"a": {"$ref": "http://169.254.169.254/x"}})),
        "schema-ref",
    ),
    "a schema nested without end": (lambda: packed(inputs__schema__json=b"[" * 60_000), "document-depth"),
    "a manifest of aliases": (lambda: packed(asset__yaml=laughs()), "yaml-alias"),
}


def left(settings: Settings, database: Database, principal: Principal) -> tuple[int, list[Path]]:
    """Return how many versions there are, and the bytes that are kept."""
    with database.tenant_session(principal.tenant_id) as session:
        found = session.execute(text("SELECT count(*) FROM asset_versions")).scalar_one()
    return found, [path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()]


def test_a_hostile_archive_is_refused_by_place_and_rule(
    api: Client, browser: Client, settings: Settings, database: Database, acme: Principal
) -> None:
    for what, (make, rule) in HOSTILE.items():
        archive = make()
        answer = api.post("/api/v1/assets", files={"archive": ("a", archive, "application/gzip")})
        assert answer.status_code == 422, (what, answer.text[:500])
        found = answer.json()["findings"]
        told = next((each for each in found if each["rule"] == rule), None)
        assert told is not None, (what, found[:3])
        assert told["message"], what
        assert told["fix"], what
        page = browser.post("/uploads", files={"archive": ("a", archive, "application/gzip")}, data={"visibility": ""})
        assert (page.status_code, "Traceback" in page.text) == (422, False), what
        assert left(settings, database, acme) == (0, []), what


@limits(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(PLACES, VALUES), min_size=1, max_size=3))
def test_no_manifest_gets_an_answer_that_is_none(api: Client, changes: list[tuple[tuple[str, ...], Any]]) -> None:
    manifest = yaml.safe_load(SOUND["asset.yaml"].content)
    for place, value in changes:
        changed(manifest, place, value)
    archive = packed(asset__yaml=yaml.safe_dump(manifest, allow_unicode=True).encode())
    answer = api.post("/api/v1/assets", files={"archive": ("a", archive, "application/gzip")})
    assert answer.status_code in {200, 201, 409, 422}, answer.text[:500]
    if answer.status_code == 422:
        assert all(each["detail"] for each in answer.json()["errors"])
        assert answer.json()["findings"]


def test_of_many_that_publish_one_version_at_once_one_does(
    api: Client, settings: Settings, database: Database, acme: Principal
) -> None:
    archives = [packed(README__md=f"# Number {number}\n".encode()) for number in range(3)] * 2

    def publish(archive: bytes) -> tuple[int, str]:
        answer = api.post("/api/v1/assets", files={"archive": ("a", archive, "application/gzip")})
        return answer.status_code, answer.json().get("digest") or answer.json()["type"].rpartition(":")[2]

    with ThreadPoolExecutor(len(archives)) as pool:
        answers = list(pool.map(publish, archives))
    assert sorted(status for status, _ in answers) == [200, 201, 409, 409, 409, 409]
    assert len({told for status, told in answers if status < 400}) == 1, "the same bytes again are the same version"
    assert {told for status, told in answers if status == 409} == {"version_exists"}
    versions, kept = left(settings, database, acme)
    assert versions == 1
    assert len(kept) <= 1 + len(archives)
