"""What the contract suite needs of each provider's side: a repository with a history, and a look at what others see."""

import subprocess
from pathlib import Path
from typing import Protocol

from catalog.providers.scm import Repository, open_repository
from catalog.providers.scm.local_git_board import Board
from catalog.settings import Settings

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.com")


def git(path: Path, *arguments: str) -> str:
    command = ["git", "-C", str(path), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class World(Protocol):
    """One provider, whatever stands behind it."""

    origin: Path
    """The bare repository in which the commits really are."""

    def open(self) -> Repository: ...

    def comments(self, number: int) -> list[str]: ...

    def deployments(self) -> dict[str, str]: ...

    def reports(self, sha: str) -> dict[str, str]: ...


def make_origin(path: Path) -> Path:
    """Make a bare repository: ``main`` with two commits, ``feature`` and ``other`` with one more each, a tag."""
    work = path.parent / "work"
    git(path.parent, "init", "--quiet", "--initial-branch", "main", str(work))
    (work / "app").mkdir()
    (work / "app" / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (work / "app" / "run.sh").chmod(0o755)
    (work / "README.md").write_text("# Hello\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "first")
    git(work, "tag", "v1.0.0")
    git(work, "branch", "feature")
    (work / "docs.md").write_text("docs\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "second")
    git(work, "branch", "other")
    git(work, "checkout", "--quiet", "feature")
    git(work, "mv", "README.md", "READ.md")
    (work / "app" / "new.txt").write_text("new\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "a feature")
    git(work, "checkout", "--quiet", "other")
    (work / "other.txt").write_text("other\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "another")
    git(path.parent, "clone", "--quiet", "--bare", str(work), str(path))
    git(path, "symbolic-ref", "HEAD", "refs/heads/main")
    return path


class LocalGitWorld:
    """The provider ``local_git``: the repository is all there is."""

    def __init__(self, folder: Path) -> None:
        self.origin = make_origin(folder / "origin.git")
        self._settings = Settings(data_dir=folder / "data", local_repository_roots=(folder,))

    def open(self) -> Repository:
        return open_repository(str(self.origin), self._settings)

    def comments(self, number: int) -> list[str]:
        return [str(each["body"]) for each in self._records(f"comments/{number}/")]

    def deployments(self) -> dict[str, str]:
        return {str(each["environment"]): str(each["state"]) for each in self._records("deployments/")}

    def reports(self, sha: str) -> dict[str, str]:
        return {str(each["name"]): str(each["state"]) for each in self._records(f"reports/{sha}/")}

    def _records(self, prefix: str) -> list[dict[str, object]]:
        return [each for name, each in Board(self.origin).records().items() if name.startswith(prefix)]
