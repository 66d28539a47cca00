"""What a repository on this machine holds, read without opening any of it: trees, blobs, commits, differences."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.providers.scm.errors import CommitNotFoundError, FolderRefusedError, RepositoryUnavailableError
from catalog.providers.scm.git_command import run_git, run_git_for_bytes
from catalog.providers.scm.values import FolderEntry, FolderLimits

_ABSENT = 1
"""How git ends where what is asked for is not there; every other end means that it could not look."""


def resolved(place: Path, revision: str) -> str | None:
    """Return the full id that a revision names, None where there is none; ``RepositoryUnavailableError``: not known."""
    command = ("rev-parse", "--verify", "--quiet", "--end-of-options", revision)
    return run_git_for_bytes(place, *command, fine=(0, _ABSENT)).decode("utf-8", "replace").strip() or None


def object_at(place: Path, commit: str, path: str) -> str | None:
    """Return the full id of what a commit has at a path, or None; git does not answer of every path with dots in it."""
    try:
        return resolved(place, f"{commit}:{path}")
    except RepositoryUnavailableError:
        if {".", ".."} & set(path.split("/")):
            return None
        raise


def symbolic_target(place: Path, ref: str) -> str:
    """Return the ref that a symbolic one points to, and any other one itself."""
    found = run_git_for_bytes(place, "symbolic-ref", "--quiet", ref, fine=(0, _ABSENT))
    return found.decode("utf-8", "replace").strip() or ref


def commits_of(place: Path, objects: Collection[str]) -> dict[str, str | None]:
    """Return for each object the commit that it is or, as a tag, points to; None for any other, or a missing one."""
    asked = list(dict.fromkeys(objects))
    sent = "".join(f"{each}^{{commit}}\n" for each in asked).encode()
    answers = run_git_for_bytes(place, "cat-file", "--batch-check", sent=sent).decode().splitlines() if asked else []
    found = (answer.split(" ") for answer in answers)
    return {each: words[0] if words[1] == "commit" else None for each, words in zip(asked, found, strict=True)}


def folder_at(place: Path, tree: str, shown: str, limits: FolderLimits) -> Mapping[str, FolderEntry]:
    """Return the files of a tree (``commit:folder``) by path; see ``Repository.read_folder``."""
    found = entries(place, tree)
    if refused := [entry.path for entry in found if entry.is_link]:
        raise FolderRefusedError(f"{refused[0]} is a link or another repository. Put the file itself there.")
    if len(found) > limits.files or sum(entry.size for entry in found) > limits.size:
        raise FolderRefusedError(
            f"{shown or 'The repository'} holds more than {limits.files} files or {limits.size // 1024**2} MiB."
            " Name the folder of the asset."
        )
    data = contents(place, [entry.blob for entry in found])
    return {entry.path: FolderEntry(content, entry.is_executable) for entry, content in zip(found, data, strict=True)}


def merge_base(place: Path, one: str, other: str) -> str:
    """Return the commit from which two went apart."""
    try:
        return run_git(place, "merge-base", one, other).split()[0]
    except (RepositoryUnavailableError, IndexError):
        raise CommitNotFoundError(f"{one[:12]} and {other[:12]} have no commit in common in {place}.") from None


def contains(place: Path, commit: str, other: str) -> bool:
    """Tell whether a commit has another one among what came before it, or is that one."""
    try:
        return merge_base(place, other, commit) == other
    except CommitNotFoundError:
        return False


def changed_paths(place: Path, base: str, head: str) -> tuple[str, ...]:
    """Return the paths that differ between the merge base of two commits and the second one."""
    return differing_paths(place, merge_base(place, base, head), head)


def differing_paths(place: Path, one: str, other: str) -> tuple[str, ...]:
    """Return the paths that differ between two commits, sorted; old and new of a move."""
    listing = run_git_for_bytes(
        place, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", one, other,
    )  # fmt: skip
    return tuple(sorted(path for path in listing.decode("utf-8", "surrogateescape").split("\0") if path))


@dataclass(frozen=True)
class Entry:
    """One line of a listing: ``is_link`` for anything that is no ordinary file; ``size`` in bytes."""

    path: str
    blob: str
    size: int
    is_executable: bool
    is_link: bool


def entries(place: Path, tree: str, *paths: str) -> list[Entry]:
    """Return what a tree holds, without opening any of it."""
    listing = run_git_for_bytes(place, "ls-tree", "-r", "-l", "-z", "--full-tree", tree, *paths)
    found = []
    for line in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        about, _, path = line.partition("\t")
        mode, _, blob, size = about.split()
        is_link = mode not in {"100644", "100755"}
        if size == "BAD":
            raise RepositoryUnavailableError(f"Objects are missing in {place}.")
        found.append(Entry(path, blob, 0 if is_link else int(size), mode == "100755", is_link))
    return found


def contents(place: Path, blobs: Sequence[str]) -> list[bytes]:
    """Return the bytes of several blobs, in order."""
    data = run_git_for_bytes(place, "cat-file", "--batch", sent="".join(f"{blob}\n" for blob in blobs).encode())
    found, at = [], 0
    for _ in blobs:
        line_end = data.index(b"\n", at)
        about = data[at:line_end].split()
        if len(about) < 3:  # "... missing"
            raise RepositoryUnavailableError(f"Objects are missing in {place}.")
        size = int(about[2])
        found.append(data[line_end + 1 : line_end + 1 + size])
        at = line_end + size + 2
    return found
