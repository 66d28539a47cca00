"""The git command, run so that nothing of a repository or of this machine's owner decides what it does."""

import atexit
import os
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from catalog.providers.scm.errors import RepositoryUnavailableError

GIT_SECONDS = 60
# Said on the command line, because there a repository's own configuration cannot take it back.
_ALWAYS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.logAllRefUpdates=false")


@cache
def _configuration() -> str:
    # A file, because git passes settings of its command line or environment on to no process of another repository.
    # No hooks, no monitors: the repository's owner decides nothing about what runs here.
    with tempfile.NamedTemporaryFile("w", prefix="slipway-gitconfig-", delete=False) as handle:
        handle.write("[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n")
        handle.write("[uploadpack]\n\tallowAnySHA1InWant = true\n")
    atexit.register(Path(handle.name).unlink, missing_ok=True)
    return handle.name


def run_git(directory: Path | None, *arguments: str) -> str:
    """Run git and return what it printed; raise ``RepositoryUnavailableError`` with its last words where it failed."""
    return run_git_for_bytes(directory, *arguments).decode("utf-8", "replace")


def run_git_for_bytes(
    directory: Path | None,
    *arguments: str,
    sent: bytes = b"",
    variables: Mapping[str, str] | None = None,
    fine: Collection[int] = (0,),
) -> bytes:
    """Run git with ``sent`` on its standard input and return the bytes that it printed; ``fine`` are its good ends.

    ``variables`` are added to the few that git is given; nothing of this process's own environment is.
    """
    environment = {
        "PATH": os.defpath + ":/usr/local/bin",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": _configuration(),
        "GIT_TERMINAL_PROMPT": "0",
        # A repository may name a command with which git is to fetch what it lacks. It lacks nothing, then.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "file" if arguments[0] == "fetch" else "none",
        "LC_ALL": "C",
        **(variables or {}),
    }
    where = ["-C", str(directory)] if directory else []
    try:
        done = subprocess.run(
            ["git", *_ALWAYS, *where, *arguments],
            env=environment,
            capture_output=True,
            timeout=GIT_SECONDS,
            input=sent,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryUnavailableError(f"git could not be run: {error}") from error
    if done.returncode not in fine:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RepositoryUnavailableError(words[-1] if words else "git failed")
    return done.stdout
