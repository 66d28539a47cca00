"""What the contract suite needs of each provider's side: a repository with a history, and a look at what others see."""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from catalog.providers.scm import Access, Repository, open_repository
from catalog.providers.scm.azure_devops import PROVIDER as AZURE_DEVOPS
from catalog.providers.scm.github import PROVIDER as GITHUB
from catalog.providers.scm.local_git_board import Board
from catalog.settings import Settings
from tests.catalog.providers.scm.azure_fake import FakeAzureDevOps
from tests.catalog.providers.scm.github_fake import FakeGitHub

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
    shutil.copytree(_template(), path)
    return path


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="slipway-origin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "origin.git"
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


class GitHubWorld:
    """The provider ``github`` with a token, at a server that is a fake."""

    def __init__(self, folder: Path) -> None:
        self.origin = make_origin(folder / "origin.git")
        self.settings = Settings(data_dir=folder / "data", scm_write_pause_seconds=0)
        self.fake = FakeGitHub(self.origin, app_keys()[1])

    def credentials(self) -> dict[str, str]:
        return {"token": "good"}

    def open(self) -> Repository:
        access = Access(self.fake.url, self.credentials())
        return GITHUB.open(GITHUB.normalise(f"{self.fake.url}/Acme/hello.git", self.settings), access, self.settings)

    def comments(self, number: int) -> list[str]:
        shown = self.fake.state.comments.values()
        return [each["body"] for each in shown if each["issue_url"].endswith(f"/{number}")]

    def deployments(self) -> dict[str, str]:
        state = self.fake.state
        assert {each["environment"] for each in state.deployments.values()} == state.environments
        assert len(state.deployments) == len(state.environments)
        return {
            each["environment"]: state.deployment_statuses[key][0]["state"] for key, each in state.deployments.items()
        }

    def reports(self, sha: str) -> dict[str, str]:
        return self.fake.state.statuses.get(sha, {})

    def close(self) -> None:
        self.fake.close()
        assert not self.fake.wrong, self.fake.wrong


class GitHubAppWorld(GitHubWorld):
    """The provider ``github`` as a GitHub App, which leaves check runs."""

    def credentials(self) -> dict[str, str]:
        return {"app_id": "7", "installation_id": "9", "private_key": app_keys()[0]}

    def reports(self, sha: str) -> dict[str, str]:
        runs = [each for each in self.fake.state.checks.values() if each["head_sha"] == sha]
        return {each["name"]: each["conclusion"] or "pending" for each in runs}


class AzureDevOpsWorld:
    """The provider ``azure_devops`` with a token, at a server that is a fake."""

    def __init__(self, folder: Path) -> None:
        self.origin = make_origin(folder / "origin.git")
        self.fake = FakeAzureDevOps(self.origin)
        self.settings = Settings(
            data_dir=folder / "data", scm_write_pause_seconds=0, scm_entra_server=f"{self.fake.url}/entra"
        )

    def credentials(self) -> dict[str, str]:
        return {"token": "good"}

    def open(self) -> Repository:
        access = Access(f"{self.fake.url}/acme", self.credentials())
        address = AZURE_DEVOPS.normalise(f"{self.fake.url}/acme/Hello/_git/Hello", self.settings)
        return AZURE_DEVOPS.open(address, access, self.settings)

    def comments(self, number: int) -> list[str]:
        threads = [each for each in self.fake.state.threads.get(number, []) if not each["isDeleted"]]
        return [each["content"] for thread in threads for each in thread["comments"] if not each.get("isDeleted")]

    def deployments(self) -> dict[str, str]:
        shown = [each for statuses in self.fake.state.pull_statuses.values() for each in statuses]
        assert all(each["context"]["genre"] == "slipway" for each in shown)
        found = {each["context"]["name"]: _AZURE_STATES[each["state"]] for each in shown}
        assert len(found) == len(shown)
        return found

    def reports(self, sha: str) -> dict[str, str]:
        return {name: _AZURE_STATES[state] for name, state in self.fake.state.statuses.get(sha, {}).items()}

    def close(self) -> None:
        self.fake.close()
        assert not self.fake.wrong, self.fake.wrong


_AZURE_STATES = {"succeeded": "success", "failed": "failure", "pending": "queued", "notApplicable": "inactive"}


class AzureDevOpsEntraWorld(AzureDevOpsWorld):
    """The provider ``azure_devops`` as a service principal of Microsoft Entra ID."""

    def credentials(self) -> dict[str, str]:
        return {"directory_id": "acme", "client_id": "7", "client_secret": "good"}


@cache
def app_keys() -> tuple[str, str]:
    """The private and the public key of the GitHub App, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
