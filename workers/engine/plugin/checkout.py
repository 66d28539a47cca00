"""`slipway:local:Checkout`: the files of one commit in a directory."""

import os
import re
import secrets
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from workers.engine.plugin.resource import (
    UNKNOWN,
    Created,
    Difference,
    InputProblem,
    ResourceFailure,
    Unchanging,
    Values,
    differing,
    require_text,
    unexpected,
)
from workers.removal import remove_folder

INPUTS = ("repository", "commit", "directory")
TIME_LIMIT_SECONDS = 300
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class CheckoutResource(Unchanging):
    """Inputs: `repository` (path of a bare or ordinary repository), `commit` (full name) and `directory` (absolute).

    Nothing of the repository but its objects is used: neither its configuration nor hooks, filters or submodules, so
    that whoever can write to it cannot run anything here. Choose a directory per commit: where only the commit
    changes, the old files must go before the new ones come.
    """

    type = "slipway:local:Checkout"
    secrets: tuple[str, ...] = ()
    noun = "checkout"
    inputs = INPUTS

    def __init__(self, environments: Path) -> None:
        self._environments = environments

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all three inputs; the directory must be under the data directory's `environments`."""
        problems = unexpected(inputs, INPUTS) + require_text(inputs, *INPUTS)
        if problems:
            return inputs, problems
        commit, directory = inputs["commit"], inputs["directory"]
        if commit is not UNKNOWN and not _COMMIT.fullmatch(commit):
            problems.append(InputProblem("commit", "must be the full name of a commit: 40 or 64 hexadecimal digits"))
        if directory is not UNKNOWN:
            path = Path(directory)
            # Deleting the resource removes the directory, so it must not be possible to name any other.
            if ".." in path.parts or self._environments not in path.parents:
                problems.append(InputProblem("directory", f"must be an absolute path under {self._environments}"))
        return inputs, problems

    def diff(self, old: Values, new: Values) -> Difference:
        """Every change is another checkout."""
        changed = differing(INPUTS, old, new)
        return Difference(changed=changed, replaces=changed, delete_first="directory" not in changed)

    def create(self, inputs: Values) -> Created:
        """Write the files beside the directory and then put them in place at once."""
        directory = Path(inputs["directory"])
        objects = _objects(Path(inputs["repository"]))
        _make_parents(directory)
        fresh = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
        try:
            fresh.mkdir()
            fresh.chmod(0o755)
            _write_files(objects, str(inputs["commit"]), fresh)
            _remove(directory)
            fresh.rename(directory)
        except OSError as error:
            raise ResourceFailure(f"the files could not be written: {error.strerror}") from error
        finally:
            _remove(fresh)
        return Created(str(directory))

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that the directory is gone."""
        return state if Path(resource_id).is_dir() else None

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove the directory, and those above it that became empty."""
        del state
        directory = Path(resource_id)
        if ".." in directory.parts or self._environments not in directory.parents:
            raise ResourceFailure(f"{directory} is no checkout: it is not under {self._environments}")
        _remove(directory)
        for parent in directory.parents:
            if parent == self._environments or self._environments not in parent.parents:
                break
            with suppress(OSError):
                parent.rmdir()

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove the directory unless another resource has it, and what was being written beside it."""
        directory = Path(str(inputs.get("directory", "")))
        if self._environments not in directory.parents:
            return
        for unfinished in directory.parent.glob(f".{directory.name}.????????"):
            _remove(unfinished)
        if str(directory) not in {resource_id for resource_id, _outputs in kept}:
            self.delete(str(directory), {})


def _objects(repository: Path) -> Path:
    for candidate in (repository / "objects", repository / ".git" / "objects"):
        if candidate.is_dir():
            return candidate.absolute()
    raise ResourceFailure(f"there is no repository at {repository}")


def _make_parents(directory: Path) -> None:
    """Create the directories above, closed to others; the process host opens them to the application's user."""
    for parent in reversed(directory.parents):
        if not parent.exists():
            parent.mkdir(mode=0o700, exist_ok=True)


def _remove(directory: Path) -> None:
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        remove_folder(directory)
        if directory.exists():
            raise ResourceFailure(f"{directory} could not be removed as a whole")


def _write_files(objects: Path, commit: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-checkout-") as scratch:
        git_dir = Path(scratch) / "git"
        kind = "sha256" if len(commit) == 64 else "sha1"
        _git(scratch, "init", "--quiet", "--bare", "--template=", f"--object-format={kind}", str(git_dir))
        (git_dir / "objects" / "info").mkdir(exist_ok=True)
        (git_dir / "objects" / "info" / "alternates").write_text(f"{objects}\n", "utf-8")
        if _git(scratch, f"--git-dir={git_dir}", "cat-file", "-e", f"{commit}^{{commit}}", check=False):
            raise ResourceFailure(f"the repository does not hold the commit {commit}")
        _git(scratch, f"--git-dir={git_dir}", "read-tree", commit)
        _git(scratch, "-C", str(target), f"--git-dir={git_dir}", f"--work-tree={target}", "checkout-index", "--all")


def _git(scratch: str, *arguments: str, check: bool = True) -> int:
    """Run git with no configuration but our own; return its exit status."""
    configuration = Path(scratch) / "gitconfig"
    configuration.write_text("[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n", "utf-8")
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=scratch,
            env={
                "PATH": os.defpath + ":/usr/local/bin",
                "HOME": scratch,
                "GIT_CONFIG_GLOBAL": str(configuration),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_NO_LAZY_FETCH": "1",
                "GIT_TERMINAL_PROMPT": "0",
                "LC_ALL": "C.UTF-8",
            },
            umask=0o022,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT_SECONDS,
        )
    except FileNotFoundError as error:
        raise ResourceFailure("git is not installed on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise ResourceFailure(f"git did not finish within {TIME_LIMIT_SECONDS} s") from error
    if check and done.returncode:
        raise ResourceFailure(f"git failed: {done.stderr.strip()[-500:]}")
    return done.returncode
