"""What repositories add to the plan of an environment: files of other ones, and components that a file describes."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from catalog.assets.repository_files import components_of, with_components
from catalog.environments.service import DeployPlan, credentials_of
from catalog.errors import InvalidInputError
from catalog.scm.service import ScmService
from workers.installers.components import Source
from workers.targets import Place

LARGEST = 64 * 1024
SECONDS = 30


class NoRepositoryFileError(InvalidInputError):
    """The repository lacks the file that says what its application consists of, or that is too large."""

    code = "repository_file_missing"


def completed(plan: DeployPlan, place: Place) -> DeployPlan:
    """Return the plan with every component that a file of the repository describes; without such a file as it is.

    Raises ``NoRepositoryFileError``, and ``SourceRefusedError`` with the lines that are not understood.
    """
    file = plan.spec.environment.file
    if file is None:
        return plan
    found = components_of(file.format, file.path, _read(place.mirror, plan.head_sha, file.path))
    spec = with_components(plan.spec, found)
    return replace(plan, spec=spec, credentials=credentials_of(place.settings, plan.environment_id, spec))


def mirrors_of(source: Source, plan: DeployPlan) -> dict[str, Path]:
    """Fetch the commits of other repositories, and return where they are, by the names that the blueprint gives them.

    Raises ``SlipwayError`` where one cannot be opened any more, or lacks the commit.
    """
    found = {}
    for name, other in plan.spec.environment.repositories.items():
        with source.session() as session:
            repository = ScmService(session, source.settings).open(plan.tenant_id, other.repository)
        found[name] = repository.mirror(other.commit or "", 0, source.settings.data_dir / "repositories")
    return found


def _read(mirror: Path, commit: str, path: str) -> bytes:
    name = f"{commit}:{path}"
    size = _git(mirror, "cat-file", "-s", name)
    if size.returncode != 0 or not size.stdout.strip().isdigit():
        detail = f"The commit has no file {path}, which the blueprint takes the application's parts from."
        raise NoRepositoryFileError(f"{detail} Add it, or request another blueprint.")
    if int(size.stdout) > LARGEST:
        raise NoRepositoryFileError(f"{path} is larger than {LARGEST // 1024} KiB. Make it shorter.")
    return _git(mirror, "cat-file", "blob", name).stdout


def _git(mirror: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {
        "PATH": os.defpath + ":/usr/local/bin",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        # The mirror is ours; whose its folder is says nothing.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    command = ["git", f"--git-dir={mirror}", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS, check=False)
