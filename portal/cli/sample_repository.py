"""The sample repository of a fresh installation: a small web application, and a change to it as pull request 42."""

import shutil
import subprocess
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from portal.cli.errors import CommandError

NAME = "hello-slipway"
BRANCH = "brighter-greeting"
PULL_REQUEST = 42
_SECONDS = 60
# Author and time are fixed, so that every installation has the same commits and nobody's Git configuration is needed.
_AUTHOR = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "Slipway"),
        ("EMAIL", "slipway@localhost"),
        ("DATE", "2026-01-01T00:00:00+00:00"),
    )
}


def ensure_sample_repository(folder: Path, path_variable: str) -> tuple[Path, bool]:
    """Make the sample repository in ``folder`` unless it is there; return its path and whether it was made.

    One that is there is left alone: it is the user's to change. ``path_variable`` says where ``git`` is looked for.
    """
    repository = folder / NAME
    if repository.exists():
        return repository, False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{NAME}.new"
    shutil.rmtree(draft, ignore_errors=True)
    git = _Git(draft, path_variable)
    git.run("init", "--quiet", "--initial-branch=main", str(draft))
    with as_file(files("portal.cli") / "sample_app") as sample:
        git.commit(sample / "main", "Greet whoever comes by")
        git.run("checkout", "--quiet", "-b", BRANCH)
        git.commit(sample / "pull-request", "Make the greeting brighter")
    # So that a first commit of one's own works where Git does not know its user yet.
    git.run("config", "user.name", _AUTHOR["GIT_AUTHOR_NAME"])
    git.run("config", "user.email", _AUTHOR["GIT_AUTHOR_EMAIL"])
    git.run("symbolic-ref", f"refs/pull/{PULL_REQUEST}/head", f"refs/heads/{BRANCH}")
    draft.rename(repository)
    return repository, True


class _Git:
    def __init__(self, repository: Path, path_variable: str) -> None:
        self._repository = repository
        self._environment: Mapping[str, str] = {
            "PATH": path_variable,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C",
            **_AUTHOR,
        }

    def commit(self, source: Path, message: str) -> None:
        """Copy the files of ``source`` over those of the repository and commit them."""
        shutil.copytree(source, self._repository, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        self.run("add", "--all")
        self.run("commit", "--quiet", "--no-gpg-sign", f"--message={message}")

    def run(self, *arguments: str) -> None:
        """Run git in the repository; raise ``CommandError`` where it fails or there is none."""
        where = self._repository if self._repository.exists() else self._repository.parent
        try:
            done = subprocess.run(
                ["git", "-C", str(where), *arguments],
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                text=True,
            )
        except FileNotFoundError:
            raise CommandError("git was not found.", "Install it (Debian, Ubuntu: apt install git).") from None
        except subprocess.TimeoutExpired:
            raise CommandError(f"git {arguments[0]} took longer than {_SECONDS} s.") from None
        if done.returncode != 0:
            raise CommandError(f"git {arguments[0]} failed: {done.stderr.strip() or 'no reason given'}")
