"""Three-way merges: the last render, the new render and the repository as it is now, by git's own merge.

Semantics are those of ``git merge`` (merge-ort): what only one side changed is taken, what both changed differently is
a conflict, a file that was moved is followed. As in Copier's ``update``, the last render stands for the ancestor, so
that what a user changed since is seen as theirs. Nothing is decided here where the sides disagree.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.installs.files import File
from catalog.providers.scm.git_command import run_git, run_git_for_bytes
from workers.installers import InstallRefusedError

YOURS = "yours"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_QUIET = ("-c", "merge.directoryRenames=false", "-c", "core.quotePath=false")


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
    """Make an empty bare repository that may read the objects of ``mirror`` and leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="slipway-merge-") as folder:
        place = Path(folder)
        run_git(None, "init", "--quiet", "--bare", str(place))
        if mirror is not None:
            alternates = place / "objects" / "info" / "alternates"
            alternates.write_text(f"{(mirror / 'objects').resolve()}\n")
        yield place


def merge(place: Path, last: Mapping[str, File], new: Mapping[str, File], tree: str, label: str) -> dict[str, Merged]:
    """Return what merging the new render into a tree means, by path, for every path where something happens.

    ``tree`` is the id of the repository's tree in ``place``; ``label`` names the new render in git's marks.
    """
    _hold_to_files(place, tree, new)
    run_git_for_bytes(place, "fast-import", "--quiet", sent=_story(last, new, tree, label))
    result, conflicts = _merge_tree(place, label)
    found: dict[str, Merged] = {}
    changed = _changed(place, tree, result)
    theirs = f"refs/heads/{label}"
    for path in sorted({*changed, *conflicts}):
        reason = _reason(conflicts[path]) if path in conflicts else ""
        found[path] = Merged(
            path,
            _file(place, tree, path),
            _file(place, result, path),
            reason,
            _file(place, theirs, path) if reason else None,
        )
    return found


def tree_of(place: Path, files: Mapping[str, File]) -> str:
    """Return the id of a tree that holds just these files, written into ``place``."""
    if not files:
        return _EMPTY_TREE
    stream = [*_commit("refs/heads/files", "", files)]
    run_git_for_bytes(place, "fast-import", "--quiet", sent=b"".join(stream))
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


def _changed(place: Path, before: str, after: str) -> list[str]:
    output = run_git_for_bytes(place, "diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after)
    return [os.fsdecode(each) for each in output.split(b"\0") if each]


def _file(place: Path, tree: str, path: str) -> File | None:
    listing = run_git_for_bytes(place, "ls-tree", "-z", "--full-tree", tree, "--", f":(literal){path}")
    if not listing:
        return None
    head, _, _ = listing.partition(b"\t")
    mode, kind, blob = head.split(b" ")
    if kind != b"blob":
        return None
    return run_git_for_bytes(place, "cat-file", "blob", blob.decode()), mode == b"100755"


def _hold_to_files(place: Path, tree: str, new: Mapping[str, File]) -> None:
    """Raise ``InstallRefusedError`` where a file would be written through a link, or where a folder is."""
    wanted = set(new)
    parents = {"/".join(path.split("/")[:end]) for path in wanted for end in range(1, path.count("/") + 1)}
    if not wanted or tree == _EMPTY_TREE:
        return
    # Folders are listed by themselves and not by what is in them, which is what tells them from links here.
    listing = run_git_for_bytes(place, "ls-tree", "-z", "-t", "-r", "--full-tree", tree)
    for entry in listing.split(b"\0"):
        head, _, name = entry.partition(b"\t")
        path = os.fsdecode(name)
        if path not in wanted and path not in parents:
            continue
        mode, kind, _ = head.split(b" ")
        if path in parents and kind != b"tree":
            raise InstallRefusedError(f"{path} is no folder in the repository, and the template writes into it.")
        if path in wanted and (kind != b"blob" or mode == b"120000"):
            raise InstallRefusedError(f"{path} is a folder or a link in the repository, where the template has a file.")


def _reason(sides: frozenset[int]) -> str:
    if sides == {1, 3}:
        return "You removed it, and the new version changes it."
    if sides == {1, 2}:
        return "You changed it, and the new version no longer has it."
    if sides >= {1, 2, 3}:
        return "You and the new version changed the same lines."
    return "It is there already, with something else in it."
