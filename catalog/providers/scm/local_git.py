"""Git repositories on this machine: branches are heads, a pull request is a ref.

Pull request N is the commit of, in this order: the branch it was requested with; the ref ``refs/pull/N/head`` (the
name GitHub uses); a branch called ``pull/N``, ``pr/N`` or ``pr-N``. It is closed once that ref is gone.
"""

import atexit
import fcntl
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from catalog.providers.scm import (
    CommitNotFoundError,
    PullRequest,
    PullRequestNotFoundError,
    PullRequestState,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from catalog.settings import Settings

GIT_SECONDS = 60
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
                _git(None, "init", "--quiet", "--bare", str(mirror))
            if self._resolve(str(mirror), f"{commit}^{{commit}}") is None:
                fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
                ref = f"+{commit}:refs/slipway/{pull_request.number}/{commit}"
                try:
                    _git(mirror, *fetch, path, ref)
                except RepositoryUnavailableError as error:
                    raise CommitNotFoundError(f"Commit {commit[:12]} cannot be fetched from {path}: {error}") from error
        return mirror

    def _resolve(self, path: str, revision: str) -> str | None:
        try:
            return _git(Path(path), "rev-parse", "--verify", "--quiet", "--end-of-options", revision).strip() or None
        except RepositoryUnavailableError:
            return None

    def _branch(self, path: str, ref: str) -> str:
        try:
            target = _git(Path(path), "symbolic-ref", "--quiet", ref).strip()
        except RepositoryUnavailableError:
            target = ref
        return target.removeprefix("refs/heads/")


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


@cache
def _configuration() -> str:
    # A file, because git passes settings of its command line or environment on to no process of another repository.
    # No hooks, no monitors: the repository's owner decides nothing about what runs here.
    with tempfile.NamedTemporaryFile("w", prefix="slipway-gitconfig-", delete=False) as handle:
        handle.write("[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n")
        handle.write("[uploadpack]\n\tallowAnySHA1InWant = true\n")
    atexit.register(Path(handle.name).unlink, missing_ok=True)
    return handle.name


def _git(directory: Path | None, *arguments: str) -> str:
    environment = {
        "PATH": os.defpath + ":/usr/local/bin",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": _configuration(),
        "GIT_TERMINAL_PROMPT": "0",
        # A repository may name a command with which git is to fetch what it lacks. It lacks nothing, then.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "file" if arguments[0] == "fetch" else "none",
        "LC_ALL": "C",
    }
    where = ["-C", str(directory)] if directory else []
    try:
        done = subprocess.run(
            ["git", *where, *arguments],
            env=environment,
            capture_output=True,
            timeout=GIT_SECONDS,
            text=True,
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryUnavailableError(f"git could not be run: {error}") from error
    if done.returncode != 0:
        raise RepositoryUnavailableError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "git failed")
    return done.stdout


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


PROVIDER = LocalGit()
