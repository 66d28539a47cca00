"""Archives: the same tree gives the same bytes, and everything a stranger can do to one is found and named."""

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.assets.archive import (
    LIMITS,
    Archive,
    PackageFile,
    archive_name,
    build_archive,
    read_archive,
    read_tree,
)
from catalog.assets.findings import Finding

SOUND = {"asset.yaml": PackageFile(b"x"), "content/run.sh": PackageFile(b"#!/bin/sh\n", executable=True)}
SEGMENTS = st.text(st.characters(codec="utf-8", categories=("Ll", "Nd")), min_size=1, max_size=12).filter(
    lambda text: text == text.lower() and text.isprintable()
)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda parts: "content/" + "/".join(parts))
FILES = st.dictionaries(PATHS, st.builds(PackageFile, st.binary(max_size=2000), st.booleans()), max_size=8)


def rules(archive: Archive) -> list[str]:
    return [finding.rule for finding in archive.findings]


def tar_of(*entries: tuple[tarfile.TarInfo, bytes], format_: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack entries as they are, without a list of files."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=format_) as tar,
    ):
        for header, data in entries:
            header.size = len(data) if header.isreg() else 0
            tar.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def entry(
    name: str, data: bytes = b"", mode: int = 0o644, type_: bytes = tarfile.REGTYPE
) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.mode = mode
    header.type = type_
    header.linkname = "/etc/passwd" if type_ in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
    return header, data


@given(FILES, st.integers(0, 2**31 - 1))
@settings(max_examples=60, deadline=None)
def test_the_same_files_give_the_same_bytes_in_any_order(files: dict[str, PackageFile], mtime: int) -> None:
    backwards = dict(reversed(files.items()))
    assert build_archive(files, mtime=mtime) == build_archive(backwards, mtime=mtime)


@given(FILES)
@settings(max_examples=60, deadline=None)
def test_what_was_built_reads_back(files: dict[str, PackageFile]) -> None:
    built = build_archive(files)
    archive = read_archive(built.data)
    assert [each for each in rules(archive) if each not in {"path-collision", "path-nfc", "path-reserved"}] == []
    assert archive.files.keys() == files.keys()
    assert all(archive.read(path) == file.content for path, file in files.items())
    assert (archive.blob, archive.tree, archive.packed_size) == (built.blob, built.tree, len(built.data))


@given(FILES, st.data())
@settings(max_examples=60, deadline=None)
def test_a_cut_archive_is_refused_wherever_it_is_cut(files: dict[str, PackageFile], data: st.DataObject) -> None:
    whole = build_archive(files).data
    cut = data.draw(st.integers(0, len(whole) - 1))
    archive = read_archive(whole[:cut])
    assert "truncated" in rules(archive)
    assert archive.blob == ""


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_changed_byte_never_passes_and_never_raises(data: st.DataObject) -> None:
    built = build_archive(SOUND)
    damaged = bytearray(built.data)
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= data.draw(st.integers(1, 255))
    archive = read_archive(bytes(damaged))
    # The header's time, system and flags are the only bytes without a checksum; the digest tells them apart.
    assert not archive.is_sound or archive.blob != built.blob


@given(st.binary(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_reading_raise(data: bytes) -> None:
    assert not read_archive(data).is_sound
    assert not read_archive(gzip.compress(data)).is_sound


def test_the_tree_digest_ignores_how_it_was_packed() -> None:
    one, other = build_archive(SOUND), build_archive(SOUND, mtime=1)
    assert one.blob != other.blob
    assert one.tree == other.tree


def test_modes_names_and_times_are_fixed() -> None:
    with tarfile.open(fileobj=io.BytesIO(build_archive(SOUND, mtime=7).data)) as tar:
        found = [(each.name, each.mode, each.mtime, each.uid, each.gid, each.uname) for each in tar]
    assert found == [
        ("META/files.json", 0o644, 7, 0, 0, ""),
        ("asset.yaml", 0o644, 7, 0, 0, ""),
        ("content/run.sh", 0o755, 7, 0, 0, ""),
    ]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../escape", "path-parent"),
        ("content/../../escape", "path-parent"),
        ("/etc/passwd", "path-absolute"),
        ("C:/windows", "path-absolute"),
        ("content\\evil", "path-backslash"),
        ("content/./a", "path-form"),
        ("content//a", "path-form"),
        ("content/e\u0301", "path-nfc"),
        ("content/NUL.txt", "path-reserved"),
        ("content/trailing.", "path-reserved"),
        ("content/what?", "path-reserved"),
        ("content/.git/config", "path-reserved"),
        ("content/" + "x" * 240, "path-long"),
        ("content/a\nb", "path-control"),
        ("secrets.env", "layout"),
        ("META/other", "layout"),
    ],
)
def test_a_bad_name_is_a_finding_with_its_rule(name: str, rule: str) -> None:
    archive = read_archive(tar_of(entry(name, b"data")))
    found = [finding for finding in archive.findings if finding.rule == rule]
    assert len(found) == 1
    assert found[0].fix
    assert found[0].path == name.replace("\n", "\\n").replace("\u0301", found[0].path[-1:])


@pytest.mark.parametrize("format_", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_name_that_hides_bytes_behind_a_nul_is_found(format_: int) -> None:
    packed = tar_of(entry("content/ok"), format_=format_)
    raw = bytearray(gzip.decompress(packed))
    raw[0:100] = b"content/ok\0../../x".ljust(100, b"\0")
    raw[148:156] = b"%06o\0 " % (sum(raw[0:148]) + sum(raw[156:512]) + 8 * 32)
    assert "path-nul" in rules(read_archive(gzip.compress(bytes(raw))))


@pytest.mark.parametrize(
    ("type_", "what"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a character device"),
        (tarfile.BLKTYPE, "a block device"),
        (tarfile.FIFOTYPE, "a named pipe"),
    ],
)
def test_links_and_devices_are_refused(type_: bytes, what: str) -> None:
    archive = read_archive(tar_of(entry("content/thing", type_=type_)))
    assert any(f.rule == "entry-type" and what in f.message and f.path == "content/thing" for f in archive.findings)


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["content/a", "content/a"], "path-duplicate"),
        (["content/a", "content/A"], "path-collision"),
        (["content/dir/a", "content/DIR/b"], "path-collision"),
        (["content/straße", "content/STRASSE"], "path-collision"),
        (["content/a", "content/a/b"], "path-collision"),
    ],
)
def test_names_that_meet_are_found(names: list[str], rule: str) -> None:
    assert rule in rules(read_archive(tar_of(*(entry(name, b"x") for name in names))))


def test_everything_is_reported_at_once() -> None:
    archive = read_archive(
        tar_of(entry("../a"), entry("content/l", type_=tarfile.SYMTYPE), entry("content/s", mode=0o4755), entry("b"))
    )
    assert {"path-parent", "entry-type", "mode", "layout", "files-list"} <= set(rules(archive))


def test_the_list_of_files_must_tell_the_truth() -> None:
    with tarfile.open(fileobj=io.BytesIO(build_archive(SOUND).data)) as tar:
        listed = tar.extractfile("META/files.json")
        assert listed is not None
        truth = listed.read()
    archive = read_archive(tar_of(entry("META/files.json", truth), entry("asset.yaml", b"y"), entry("content/new")))
    assert [(f.rule, f.path) for f in archive.findings] == [
        ("files-list", "asset.yaml"),
        ("files-list", "content/new"),
        ("files-list", "content/run.sh"),
    ]


@pytest.mark.parametrize("listed", [b"{", b"[1]", b"{}", b'[{"path": 1}]', b"[" * 9000])
def test_a_list_of_files_that_makes_no_sense_is_refused(listed: bytes) -> None:
    assert "files-list" in rules(read_archive(tar_of(entry("META/files.json", listed), entry("asset.yaml"))))


def test_a_bomb_stops_early_and_stays_small() -> None:
    bomb = tar_of(entry("content/zeros", bytes(40 * 1024 * 1024)))
    assert len(bomb) < 64 * 1024
    tracemalloc.start()
    archive = read_archive(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "ratio" in rules(archive)
    assert peak < 8 * 1024 * 1024


def test_nested_claims_do_not_cost_memory() -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type = tarfile.XHDTYPE
    header.size = 90 * 1024 * 1024
    raw = header.tobuf(tarfile.USTAR_FORMAT) + bytes(100_000)
    assert "tar-header" in rules(read_archive(gzip.compress(raw)))


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        (replace(LIMITS, packed=100), "size-packed"),
        (replace(LIMITS, unpacked=1000), "size-unpacked"),
        (replace(LIMITS, files=1), "file-count"),
        (replace(LIMITS, path=10), "path-long"),
    ],
)
def test_each_limit_holds(limits: object, rule: str) -> None:
    assert rule in rules(read_archive(build_archive(SOUND).data, limits))  # type: ignore[arg-type]  # parametrized


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda data: data + b"more", "trailing-data"),
        (lambda data: data + data, "trailing-data"),
        (lambda _: b"", "truncated"),
        (lambda _: b"PK\x03\x04 this is a zip file", "not-gzip"),
        (lambda _: gzip.compress(b"this is not a tar" * 100), "tar-header"),
        (lambda _: gzip.compress(bytes(10240)), "files-list"),
    ],
)
def test_other_damage_is_named(change: Callable[[bytes], bytes], rule: str) -> None:
    assert rule in rules(read_archive(change(build_archive(SOUND).data)))


def test_large_files_are_read_again_when_asked_for() -> None:
    content = bytes(range(256)) * 8192
    small = replace(LIMITS, kept_file=10, ratio=10_000)
    archive = read_archive(build_archive({"content/large": PackageFile(content)}).data, small)
    assert archive.read("content/large", 300) == content[:300]
    with pytest.raises(KeyError):
        archive.read("content/none")


def write(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_a_folder_is_read_without_what_does_not_belong(tmp_path: Path) -> None:
    write(tmp_path, ["asset.yaml", "content/.manifest", ".git/config", "content/__pycache__/a.pyc", "META/files.json"])
    write(tmp_path, [archive_name("acme", "shop", "1.0.0"), ".gitignore"])
    (tmp_path / "content" / ".manifest").chmod(0o700)
    tree = read_tree(tmp_path)
    assert tree.findings == ()
    assert tree.files == {
        "asset.yaml": PackageFile(b"asset.yaml"),
        "content/.manifest": PackageFile(b"content/.manifest", executable=True),
    }


def test_links_in_a_folder_are_found_and_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "pkg", ["asset.yaml"])
    write(tmp_path, ["secret"])
    (tmp_path / "pkg" / "docs").symlink_to(tmp_path)
    (tmp_path / "pkg" / "README.md").symlink_to(tmp_path / "secret")
    tree = read_tree(tmp_path / "pkg")
    assert [(f.rule, f.path) for f in tree.findings] == [("entry-type", "README.md"), ("entry-type", "docs")]
    assert tree.files.keys() == {"asset.yaml"}


def test_a_finding_reads_as_one_line() -> None:
    finding = Finding("rule", "asset.yaml", 3, "It is wrong.", "Correct it.")
    assert str(finding) == "asset.yaml:3: It is wrong. Correct it. [rule]"
