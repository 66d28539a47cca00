"""The sample repository: a pull request that the local Git provider finds, and an application that runs."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from catalog.providers.scm import PullRequestState, open_repository
from catalog.providers.scm.local_git import PROVIDER, demo_repositories
from catalog.settings import Settings, inherited_environment
from portal.cli.errors import CommandError
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository

PATH = inherited_environment()["PATH"]


@pytest.fixture
def lonely(tmp_path: Path) -> Settings:
    """Return settings that allow no repository at all."""
    return Settings(data_dir=tmp_path / "data")


def test_the_pull_request_is_found_wherever_repositories_are_allowed(lonely: Settings) -> None:
    repository, made = ensure_sample_repository(demo_repositories(lonely), PATH)
    assert made
    found = open_repository(str(repository), lonely).pull_request(PULL_REQUEST)
    assert (found.state, found.branch) == (PullRequestState.OPEN, BRANCH)
    again = open_repository(str(repository), lonely).pull_request(1, BRANCH)
    assert again.head_sha == found.head_sha


def test_every_installation_has_the_same_commits(tmp_path: Path) -> None:
    heads = set()
    for name in ("one", "two"):
        settings = Settings(data_dir=tmp_path / name)
        repository, _ = ensure_sample_repository(demo_repositories(settings), PATH)
        heads.add(open_repository(str(repository), settings).pull_request(PULL_REQUEST).head_sha)
    assert len(heads) == 1


def test_a_new_commit_moves_the_pull_request_and_is_kept(lonely: Settings, tmp_path: Path) -> None:
    folder = demo_repositories(lonely)
    repository, _ = ensure_sample_repository(folder, PATH)
    before = open_repository(str(repository), lonely).pull_request(PULL_REQUEST).head_sha
    # With an empty home: Git knows nobody here.
    environment = {"PATH": PATH, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    commit = ["git", "-C", str(repository), "commit", "--quiet", "--allow-empty", "--message=Another commit"]
    subprocess.run(commit, env=environment, check=True)
    after = open_repository(str(repository), lonely).pull_request(PULL_REQUEST).head_sha
    assert after != before
    assert ensure_sample_repository(folder, PATH) == (repository, False)
    assert open_repository(str(repository), lonely).pull_request(PULL_REQUEST).head_sha == after


def test_the_rest_of_the_data_directory_stays_closed(lonely: Settings) -> None:
    repository, _ = ensure_sample_repository(demo_repositories(lonely), PATH)
    elsewhere = lonely.data_dir / "repositories" / "other"
    elsewhere.parent.mkdir(parents=True)
    repository.rename(elsewhere)
    open_to_all = lonely.model_copy(update={"local_repository_roots": (Path("/"),)})
    with pytest.raises(Exception, match="no Git repository"):
        PROVIDER.normalise(str(elsewhere), open_to_all)


def test_without_git_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="git was not found") as caught:
        ensure_sample_repository(tmp_path / "repositories", str(tmp_path))
    assert "apt install git" in caught.value.hint


@pytest.mark.parametrize(("branch", "words"), [("main", "main branch"), (BRANCH, "pull request 42")])
def test_the_application_runs_as_its_procfile_says(tmp_path: Path, free_port: int, branch: str, words: str) -> None:
    repository, _ = ensure_sample_repository(tmp_path / "repositories", PATH)
    subprocess.run(["git", "-C", str(repository), "checkout", "--quiet", branch], env={"PATH": PATH}, check=True)
    command = (repository / "Procfile").read_text().strip().removeprefix("web: ").split()
    assert command[0] == "python3"
    environment = {"PORT": str(free_port), "HOST": "127.0.0.1", "GREETING": "Ahoy <you>"}
    process = subprocess.Popen([sys.executable, *command[1:]], cwd=repository, env=environment)
    try:
        page = _get(f"http://127.0.0.1:{free_port}/")
        assert "Ahoy &lt;you&gt;" in page.text
        assert words in page.text
        assert httpx.get(f"http://127.0.0.1:{free_port}/health", trust_env=False).text == "ok\n"
        assert httpx.get(f"http://127.0.0.1:{free_port}/nowhere", trust_env=False, timeout=60).status_code == 404
    finally:
        process.terminate()
        process.wait(10)


def _get(url: str) -> httpx.Response:
    deadline = time.monotonic() + 20
    while True:
        try:
            return httpx.get(url, trust_env=False, timeout=60)
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
