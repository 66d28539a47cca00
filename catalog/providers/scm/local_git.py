"""Git repositories on this machine: branches are heads, a pull request is a ref.

Pull request N is the commit of, in this order: the branch it was requested with; the ref ``refs/pull/N/head`` (the
name GitHub uses); a branch called ``pull/N``, ``pr/N`` or ``pr-N``. It is closed once that ref is gone.
"""

import fcntl
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.providers.scm import (
    CommitNotFoundError,
    FileNotInRepositoryError,
    FolderEntry,
    FolderLimits,
    FolderRefusedError,
    PullRequest,
    PullRequestNotFoundError,
    PullRequestState,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
    TagNotFoundError,
)
from catalog.providers.scm.git_command import run_git, run_git_for_bytes
from catalog.settings import Settings

COMMIT = re.compile(r"[0-9a-f]{7,64}")
BRANCH = re.compile(r"(?!-)[\w./+@-]{1,200}")


class LocalGit:
    """The provider ``local_git``; only repositories below ``settings.local_repository_roots`` are read."""

    name = "local_git"

    def claims(self, repository: str) -> bool:
        """Tell whether the address is an absolute path or a ``file://`` URL."""
        return repository.startswith(("/", "file:///", "~"))

    def normalise(self, repository: str, settings: Settings) -> str:
        """Return the repository's real absolute path; one outside the allowed roots does not exist."""
        try:
            path = Path(repository.removeprefix("file://")).expanduser().resolve()
            may_read = all(_may_read(each, settings) for each in (path, *_parts(path)))
        except (OSError, ValueError, RuntimeError):  # a name that is none, a loop of links, an unknown user
            may_read = False
        if not may_read:
            # Where links lead is not told: it would show what lies outside those folders.
            raise RepositoryNotFoundError(
                f"There is no Git repository at {repository}, or it is outside the folders that Slipway may read."
            )
        return str(path)

    def pull_request(self, repository: str, number: int, branch: str | None, settings: Settings) -> PullRequest:
        """Return the pull request as its ref is now."""
        path = self.normalise(repository, settings)
        if branch is not None:
            if not BRANCH.fullmatch(branch):
                raise PullRequestNotFoundError(f"{branch!r} cannot be the name of a branch.")
            candidates = [f"refs/heads/{branch}"]
        else:
            names = [f"heads/pull/{number}", f"heads/pr/{number}", f"heads/pr-{number}"]
            candidates = [f"refs/pull/{number}/head", *(f"refs/{name}" for name in names)]
        for ref in candidates:
            sha = self._resolve(path, f"{ref}^{{commit}}")
            if sha is not None:
                name = branch or self._branch(path, ref)
                return PullRequest(number, PullRequestState.OPEN, sha, name)
        raise PullRequestNotFoundError(
            f"{path} has no pull request {number}: none of {', '.join(candidates)} exists. "
            "Push the branch, or name the branch to use."
        )

    def commit(self, repository: str, revision: str, settings: Settings) -> str:
        """Return the full id of a commit of the repository."""
        path = self.normalise(repository, settings)
        sha = self._resolve(path, f"{revision}^{{commit}}") if COMMIT.fullmatch(revision) else None
        if sha is None:
            raise CommitNotFoundError(f"{path} has no commit {revision}.")
        return sha

    def mirror(self, repository: str, commit: str, pull_request: PullRequest, into: Path, settings: Settings) -> Path:
        """Fetch ``commit`` into a bare mirror of our own, whose configuration the repository cannot touch."""
        path = self.normalise(repository, settings)
        mirror = into / f"{hashlib.sha256(path.encode()).hexdigest()[:24]}.git"
        with _locked(into / f"{mirror.name}.lock"):
            if not (mirror / "HEAD").exists():
                run_git(None, "init", "--quiet", "--bare", str(mirror))
            if self._resolve(str(mirror), f"{commit}^{{commit}}") is None:
                fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
                ref = f"+{commit}:refs/slipway/{pull_request.number}/{commit}"
                try:
                    run_git(mirror, *fetch, path, ref)
                except RepositoryUnavailableError as error:
                    raise CommitNotFoundError(f"Commit {commit[:12]} cannot be fetched from {path}: {error}") from error
        return mirror

    def tag(self, repository: str, name: str, settings: Settings) -> str:
        """Return the full id of the commit that a tag names."""
        path = self.normalise(repository, settings)
        sha = self._resolve(path, f"refs/tags/{name}^{{commit}}") if BRANCH.fullmatch(name) else None
        if sha is None:
            raise TagNotFoundError(f"{path} has no tag {name[:100]!a}.")
        return sha

    def read_file(self, repository: str, path: str, settings: Settings, largest: int) -> str:
        """Return a text file at the head of the default branch."""
        place = self.normalise(repository, settings)
        entry = next(iter(_entries(place, "HEAD", path)), None)
        if entry is None or entry.is_link:
            raise FileNotInRepositoryError(f"{place} has no file {path} on its default branch.")
        if entry.size > largest:
            raise FileNotInRepositoryError(f"{path} of {place} is larger than {largest // 1024} KiB.")
        return _contents(place, [entry.blob])[0].decode("utf-8", "replace")

    def read_folder(
        self, repository: str, commit: str, folder: str, settings: Settings, limits: FolderLimits
    ) -> Mapping[str, FolderEntry]:
        """Return the files below a folder at a commit, by path within it."""
        place, inside = self.normalise(repository, settings), folder.strip("/")
        if self._resolve(place, f"{commit}:{inside}") is None or not COMMIT.fullmatch(commit):
            raise FolderRefusedError(f"{place} has no folder {inside or '/'} at {commit[:12]}.")
        entries = _entries(place, f"{commit}:{inside}")
        if refused := [entry.path for entry in entries if entry.is_link]:
            raise FolderRefusedError(f"{refused[0]} is a link or another repository. Put the file itself there.")
        if len(entries) > limits.files or sum(entry.size for entry in entries) > limits.size:
            raise FolderRefusedError(
                f"{inside or 'The repository'} holds more than {limits.files} files or {limits.size // 1024**2} MiB."
                " Name the folder of the asset."
            )
        contents = _contents(place, [entry.blob for entry in entries])
        return {
            entry.path: FolderEntry(content, entry.is_executable)
            for entry, content in zip(entries, contents, strict=True)
        }

    def _resolve(self, path: str, revision: str) -> str | None:
        try:
            return run_git(Path(path), "rev-parse", "--verify", "--quiet", "--end-of-options", revision).strip() or None
        except RepositoryUnavailableError:
            return None

    def _branch(self, path: str, ref: str) -> str:
        try:
            target = run_git(Path(path), "symbolic-ref", "--quiet", ref).strip()
        except RepositoryUnavailableError:
            target = ref
        return target.removeprefix("refs/heads/")


@dataclass(frozen=True)
class _Entry:
    """One line of a listing: ``is_link`` for anything that is no ordinary file; ``size`` in bytes."""

    path: str
    blob: str
    size: int
    is_executable: bool
    is_link: bool


def _entries(place: str, tree: str, *paths: str) -> list[_Entry]:
    """Return what a tree holds, without opening any of it."""
    listing = run_git_for_bytes(Path(place), "ls-tree", "-r", "-l", "-z", "--full-tree", tree, *paths)
    found = []
    for line in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        about, _, path = line.partition("\t")
        mode, _, blob, size = about.split()
        is_link = mode not in {"100644", "100755"}
        found.append(_Entry(path, blob, 0 if is_link else int(size), mode == "100755", is_link))
    return found


def _contents(place: str, blobs: Sequence[str]) -> list[bytes]:
    """Return the bytes of several blobs, in order."""
    data = run_git_for_bytes(Path(place), "cat-file", "--batch", sent="".join(f"{blob}\n" for blob in blobs).encode())
    found, at = [], 0
    for _ in blobs:
        line_end = data.index(b"\n", at)
        size = int(data[at:line_end].split()[2])
        found.append(data[line_end + 1 : line_end + 1 + size])
        at = line_end + size + 2
    return found


def demo_repositories(settings: Settings) -> Path:
    """Return where sample repositories are kept: the one part of the data directory that holds source code."""
    return settings.data_dir / "demo" / "repositories"


def _may_read(path: Path, settings: Settings) -> bool:
    if path.is_relative_to(demo_repositories(settings).resolve()):
        return True
    allowed = any(path.is_relative_to(root.resolve()) for root in settings.local_repository_roots)
    return allowed and not path.is_relative_to(settings.data_dir.resolve())


def _parts(path: Path) -> Iterator[Path]:
    """Yield the real places of all that git would read of a repository; raise ``FileNotFoundError`` where none is.

    A file ``.git``, a link or a list of alternate objects may lead into repositories that are not meant to be read.
    """
    directory = path / ".git" if (path / ".git").exists() else path
    if directory.is_file():
        directory = path / directory.read_text("utf-8").removeprefix("gitdir:").strip()
    if not (directory / "HEAD").is_file():
        raise FileNotFoundError(directory)
    common = directory / "commondir"
    shared = directory / common.read_text("utf-8").strip() if common.exists() else directory
    waiting, seen = [(shared / "objects").resolve(strict=True)], set[Path]()
    yield from (directory.resolve(), shared.resolve(), (shared / "refs").resolve())
    while waiting:
        objects = waiting.pop()
        if objects in seen:
            continue
        seen.add(objects)
        yield objects
        for folder in (objects, objects / "pack"):
            yield from (each.resolve() for each in folder.glob("*") if each.is_symlink())
        alternates = objects / "info" / "alternates"
        if alternates.exists():
            lines = alternates.read_text("utf-8").splitlines()
            waiting += [(objects / line).resolve() for line in lines if line and not line.startswith("#")]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


PROVIDER = LocalGit()
