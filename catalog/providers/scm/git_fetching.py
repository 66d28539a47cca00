"""Fetching one commit from a server by git itself, into a bare repository of our own."""

import base64
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.providers.scm.errors import CommitNotFoundError, RepositoryUnavailableError
from catalog.providers.scm.git_command import run_git, run_git_for_bytes
from catalog.providers.scm.local_git_reading import resolved


def fetched(mirror: Path, address: str, commit: str, authorization: str) -> Path:
    """Have ``commit`` in the bare repository ``mirror`` and return it; safe to repeat and to race.

    ``address`` is http or https; ``authorization`` is the header's value, see ``allowed_at``.
    """
    with locked(mirror.with_name(f"{mirror.name}.lock")):
        if not (mirror / "HEAD").exists():
            run_git(None, "init", "--quiet", "--bare", str(mirror))
        if resolved(mirror, f"{commit}^{{commit}}") is None:
            variables = allowed_at(address, authorization)
            fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--depth=1"]
            try:
                run_git_for_bytes(mirror, *fetch, address, f"+{commit}:refs/slipway/{commit}", variables=variables)
            except RepositoryUnavailableError as error:
                detail = f"Commit {commit[:12]} cannot be fetched from {address}: {error}"
                raise CommitNotFoundError(detail) from error
    return mirror


def basic(credentials: str) -> str:
    """Return the value of an ``Authorization`` header for ``user:password``, "" for none."""
    return f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""


def allowed_at(address: str, authorization: str) -> dict[str, str]:
    """Return the variables that let git speak to a server, as ``authorization`` says ("" for as anybody).

    The header reaches git in its environment alone: neither a command line nor a configuration file shows it.
    """
    variables = {"GIT_ALLOW_PROTOCOL": address.partition(":")[0]}
    if authorization:
        variables |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {authorization}",
        }
    return variables


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, so that one process at a time writes what stands beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
