"""Writing into a repository on this machine: commits made beside any work tree, and refs moved by compare-and-swap."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from catalog.providers.scm.changes import check_paths
from catalog.providers.scm.errors import (
    BranchMovedError,
    MissingRightsError,
    RepositoryUnavailableError,
    ScmConflictError,
)
from catalog.providers.scm.git_command import run_git, run_git_for_bytes
from catalog.providers.scm.local_git_reading import contains, resolved
from catalog.providers.scm.values import FolderEntry

NO_COMMIT = "0" * 40
_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Slipway"), ("EMAIL", "slipway@localhost"))
}


def make_commit(
    place: Path,
    parent: str | None,
    changes: Mapping[str, FolderEntry | None],
    message: str,
    onto: str | None = None,
    *,
    joins: bool | None = None,
) -> str:
    """Make a commit that no ref names yet, and return its id; ``parent`` itself where nothing would be different.

    ``onto``: see ``NewCommit``. ``joins`` tells whether it becomes a second parent where the repository itself cannot,
    because it lacks what came before.
    """
    check_paths(changes)
    require_writable(place)
    with tempfile.TemporaryDirectory(prefix="slipway-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if parent is not None:
            run_git_for_bytes(place, "read-tree", onto or parent, variables=index)
        lines = b"".join(_line(place, path, entry) for path, entry in sorted(changes.items()))
        run_git_for_bytes(
            place, "update-index", "--add", "--replace", "-z", "--index-info", sent=lines, variables=index
        )
        tree = run_git_for_bytes(place, "write-tree", variables=index).decode().strip()
    second = []
    if parent is not None and onto is not None:
        second = [onto] if (not contains(place, parent, onto) if joins is None else joins) else []
    if parent is not None and not second and tree == resolved(place, f"{parent}^{{tree}}"):
        return parent
    above = [part for each in ([parent, *second] if parent is not None else []) for part in ("-p", each)]
    made = run_git_for_bytes(place, "commit-tree", tree, *above, sent=message.encode(), variables=_WHO)
    return made.decode().strip()


def move_ref(place: Path, ref: str, new: str, expected: str | None) -> None:
    """Let a ref name ``new`` if it names ``expected`` (None: if there is no such ref), else ``BranchMovedError``."""
    _swap(place, ref, expected, "update-ref", "--no-deref", ref, new, expected or NO_COMMIT)


def remove_ref(place: Path, ref: str, expected: str) -> None:
    """Remove a ref that names ``expected``, else raise ``BranchMovedError``."""
    _swap(place, ref, expected, "update-ref", "--no-deref", "-d", ref, expected)


def require_writable(place: Path) -> None:
    """Raise ``MissingRightsError`` where the worker's account may not write into the repository."""
    directory = git_directory(place)
    if not all(os.access(each, os.W_OK) for each in (directory, directory / "objects", directory / "refs")):
        raise MissingRightsError(
            f"Slipway may not write into {place}. Let the account it runs under write there.", "write access"
        )


def require_not_checked_out(place: Path, branch: str) -> None:
    """Raise ``ScmConflictError`` where somebody has a branch checked out, whose files would not move with it."""
    listing = run_git(place, "worktree", "list", "--porcelain", "-z").split("\0")
    if f"branch refs/heads/{branch}" in listing and "bare" not in listing:
        raise ScmConflictError(f"The branch {branch} is checked out in {place}; its files would not follow a commit.")


def git_directory(place: Path) -> Path:
    """Return where the refs and objects of a repository or a work tree are."""
    found = run_git(place, "rev-parse", "--git-common-dir").strip()
    return (place / found).resolve()


def _swap(place: Path, ref: str, expected: str | None, *command: str) -> None:
    require_writable(place)
    _require_own(place, ref)
    try:
        run_git(place, *command)
    except RepositoryUnavailableError:
        found = resolved(place, ref)
        if found == expected:
            raise
        at = "gone" if found is None else f"at {found[:12]}"
        wanted = "absent" if expected is None else f"at {expected[:12]}"
        raise BranchMovedError(f"{ref.removeprefix('refs/heads/')} is {at}, not {wanted}.", found) from None


def _require_own(place: Path, ref: str) -> None:
    # A link among the folders of refs may lead elsewhere.
    directory = git_directory(place)
    if not (directory / ref).parent.resolve().is_relative_to(directory):
        raise MissingRightsError(f"{ref} of {place} leads out of the repository.", "write access")


def _line(place: Path, path: str, entry: FolderEntry | None) -> bytes:
    name = path.encode()
    if entry is None:
        return b"0 " + NO_COMMIT.encode() + b"\t" + name + b"\0"
    blob = run_git_for_bytes(place, "hash-object", "-w", "--no-filters", "--stdin", sent=entry.content).strip()
    mode = b"100755" if entry.is_executable else b"100644"
    return mode + b" " + blob + b"\t" + name + b"\0"
