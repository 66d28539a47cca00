"""Three-way merges: the last render, the new render and the repository as it is now, by git's own merge.

Semantics are those of ``git merge`` (merge-ort): what only one side changed is taken, what both changed differently is
a conflict, a file that was moved is followed. As in Copier's ``update``, the last render stands for the ancestor, so
that what a user changed since is seen as theirs. Nothing is decided here where the sides disagree.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.installs.files import File
from catalog.providers.scm.git_command import run_git, run_git_for_bytes
from workers.installers import InstallRefusedError

YOURS = "yours"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_NOTHING = "0" * 40
_QUIET = ("-c", "core.fsync=none", "-c", "merge.directoryRenames=false", "-c", "core.quotePath=false")
# A pack of its own is written at once; loose objects would take another process and a file each.
_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder with a name of its own is made in it
_PACKED = ("-c", "fastimport.unpackLimit=1", "-c", "core.fsync=none")

Entry = tuple[str, str]
"""Mode and id of what a tree has at a path."""


@dataclass(frozen=True)
class Merged:
    """One path that the merge is about: ``before`` in the repository now, ``after`` when merged, None for no file.

    ``conflict`` says why both sides cannot be had, "" where they can; ``after`` then holds git's marks where the file
    is a text. ``new`` is what the new render has there.
    """

    path: str
    before: File | None
    after: File | None
    conflict: str = ""
    new: File | None = None


@contextmanager
def scratch(mirror: Path | None = None) -> Iterator[Path]:
    """Make an empty bare repository that may read the objects of ``mirror`` and leaves nothing behind.

    It is laid out as ``gitrepository-layout`` has it, which takes no process, and in memory where there is a place for
    that: what a merge writes is small, and gone with it.
    """
    memory = str(_MEMORY) if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="slipway-merge-", dir=memory) as folder:
        place = Path(folder)
        (place / "objects" / "info").mkdir(parents=True)
        (place / "refs").mkdir()
        (place / "HEAD").write_text("ref: refs/heads/nothing\n")
        (place / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        if mirror is not None:
            (place / "objects" / "info" / "alternates").write_text(f"{(mirror / 'objects').resolve()}\n")
        yield place


def merge(mirror: Path, last: Mapping[str, File], new: Mapping[str, File], tree: str, label: str) -> dict[str, Merged]:
    """Return what merging the new render into a tree means, by path, for every path where something happens.

    ``tree`` is the id of the repository's tree in ``mirror``, which is only read; ``label`` names the new render in
    git's marks. Where the tree has every file of the last render as it was, the new render is the outcome and git has
    nothing to decide.
    """
    there = _listing(mirror, tree)
    _hold_to_files(there, new)
    if _is_untouched(there, last, new):
        paths = sorted({*last, *new})
        return {path: Merged(path, last.get(path), new.get(path)) for path in paths if last.get(path) != new.get(path)}
    with scratch(mirror) as place:
        return _merged(place, there, tree, _Renders(last, new, label))


@dataclass(frozen=True)
class _Renders:
    last: Mapping[str, File]
    new: Mapping[str, File]
    label: str


def _merged(place: Path, there: Mapping[str, Entry], tree: str, renders: _Renders) -> dict[str, Merged]:
    story = _story(renders.last, renders.new, tree, renders.label)
    run_git_for_bytes(place, *_PACKED, "fast-import", "--quiet", sent=story)
    result, conflicts = _merge_tree(place, renders.label)
    before, after = _changed(place, tree, result)
    known = [path for path in conflicts if path not in before]
    before |= {path: there.get(path) for path in known}
    after |= {path: there.get(path) for path in known}  # what is as it was does not count as changed
    files = _files(place, {entry for side in (before, after) for entry in side.values() if entry is not None})
    return {
        path: Merged(
            path,
            files.get(before[path]),
            files.get(after[path]),
            _reason(conflicts[path]) if path in conflicts else "",
            renders.new.get(path) if path in conflicts else None,
        )
        for path in sorted(before)
    }


def tree_of(place: Path, files: Mapping[str, File]) -> str:
    """Return the id of a tree that holds just these files, written into ``place``."""
    if not files:
        return _EMPTY_TREE
    stream = [*_commit("refs/heads/files", "", files)]
    run_git_for_bytes(place, *_PACKED, "fast-import", "--quiet", "--force", sent=b"".join(stream))
    return run_git(place, "rev-parse", "refs/heads/files^{tree}").strip()


def _story(last: Mapping[str, File], new: Mapping[str, File], tree: str, label: str) -> bytes:
    """Return commits for fast-import: the last render, and on top of it what is there, and the new render."""
    parts = [
        *_commit("refs/slipway/last", "", last, mark=1),
        *_commit(f"refs/tags/{YOURS}", ":1", {}, tree=tree),
        *_commit(f"refs/heads/{label}", ":1", new),
    ]
    return b"".join(parts)


def _commit(ref: str, parent: str, files: Mapping[str, File], *, tree: str = "", mark: int = 0) -> Iterator[bytes]:
    yield f"commit {ref}\n".encode()
    if mark:
        yield f"mark :{mark}\n".encode()
    yield b"committer Slipway <slipway@localhost> 0 +0000\ndata 0\n\n"
    if parent:
        yield f"from {parent}\n".encode()
    yield b"deleteall\n"
    if tree and tree != _EMPTY_TREE:
        yield f'M 040000 {tree} ""\n'.encode()
    for path, (data, executable) in files.items():
        mode = "100755" if executable else "100644"
        yield f"M {mode} inline {_quoted(path)}\ndata {len(data)}\n".encode() + data + b"\n"
    yield b"\n"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _merge_tree(place: Path, label: str) -> tuple[str, dict[str, frozenset[int]]]:
    """Return the merged tree, and by path the sides (1 last, 2 yours, 3 new) of what could not be merged."""
    arguments = (*_QUIET, "merge-tree", "--write-tree", "-z", "--no-messages", YOURS, label)
    output = run_git_for_bytes(place, *arguments, fine=(0, 1))
    tree, *entries = output.split(b"\0")
    stages: dict[str, set[int]] = {}
    for entry in entries:
        head, tab, path = entry.partition(b"\t")
        if not tab:
            continue
        stages.setdefault(os.fsdecode(path), set()).add(int(head.split(b" ")[2]))
    return tree.decode().strip(), {path: frozenset(each) for path, each in stages.items()}


def _changed(place: Path, before: str, after: str) -> tuple[dict[str, Entry | None], dict[str, Entry | None]]:
    """Return what two trees have at each path where they differ; None for no file."""
    output = run_git_for_bytes(place, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", before, after)
    heads, paths = output.split(b"\0")[::2], output.split(b"\0")[1::2]
    sides: tuple[dict[str, Entry | None], dict[str, Entry | None]] = ({}, {})
    for head, path in zip(heads, paths, strict=False):
        old_mode, new_mode, old, new, _ = head.decode().removeprefix(":").split(" ")
        for side, mode, blob in zip(sides, (old_mode, new_mode), (old, new), strict=True):
            side[os.fsdecode(path)] = None if blob == _NOTHING else (mode, blob)
    return sides


def _files(place: Path, entries: Iterable[Entry]) -> dict[Entry | None, File]:
    """Return the files that entries of trees stand for, all read by one process; what is no blob is left out."""
    wanted = sorted({blob for _, blob in entries})
    if not wanted:
        return {}
    output = run_git_for_bytes(place, "cat-file", "--batch", sent="".join(f"{each}\n" for each in wanted).encode())
    contents: dict[str, bytes] = {}
    at = 0
    for blob in wanted:
        head, _, _ = output[at : at + 200].partition(b"\n")
        at += len(head) + 1
        if head.endswith(b" missing"):
            continue
        size = int(head.split(b" ")[2])
        if head.split(b" ")[1] == b"blob":
            contents[blob] = output[at : at + size]
        at += size + 1
    return {(mode, blob): (contents[blob], mode == "100755") for mode, blob in entries if blob in contents}


def _listing(place: Path, tree: str) -> dict[str, Entry]:
    """Return everything that a tree has by path, folders too."""
    if tree == _EMPTY_TREE:
        return {}
    output = run_git_for_bytes(place, "ls-tree", "-z", "-t", "-r", "--full-tree", tree)
    found: dict[str, Entry] = {}
    for entry in output.split(b"\0"):
        head, tab, name = entry.partition(b"\t")
        if tab:
            mode, _, blob = head.decode().split(" ")
            found[os.fsdecode(name)] = (mode, blob)
    return found


def _is_untouched(there: Mapping[str, Entry], last: Mapping[str, File], new: Mapping[str, File]) -> bool:
    """Tell whether a tree has just what the last render had, at every path that either render is about."""
    return all(there.get(path) == _entry(last.get(path)) for path in {*last, *new})


def _entry(file: File | None) -> Entry | None:
    if file is None:
        return None
    data, executable = file
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324  # it is how git names a blob
    return "100755" if executable else "100644", blob


def _hold_to_files(there: Mapping[str, Entry], new: Mapping[str, File]) -> None:
    """Raise ``InstallRefusedError`` where a file would be written through a link, or where a folder is."""
    parents = {"/".join(path.split("/")[:end]) for path in new for end in range(1, path.count("/") + 1)}
    for path in sorted({*new, *parents} & there.keys()):
        mode, _ = there[path]
        is_folder = mode == "040000"
        if path in parents and not is_folder:
            raise InstallRefusedError(f"{path} is no folder in the repository, and the template writes into it.")
        if path in new and (is_folder or mode not in {"100644", "100755"}):
            raise InstallRefusedError(f"{path} is a folder or a link in the repository, where the template has a file.")


def _reason(sides: frozenset[int]) -> str:
    if sides == {1, 3}:
        return "You removed it, and the new version changes it."
    if sides == {1, 2}:
        return "You changed it, and the new version no longer has it."
    if sides >= {1, 2, 3}:
        return "You and the new version changed the same lines."
    return "It is there already, with something else in it."
