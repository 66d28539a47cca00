"""Repositories as installs reach them: with the tenant's own rights at a server, or on this machine."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from catalog.installs.files import File
from catalog.providers.scm import About, CommitNotFoundError, PullRequest, Repository, Right
from catalog.providers.scm.git_command import run_git_for_bytes
from catalog.scm.service import ScmService
from workers.installers import Bench, InstallRefusedError

WORKFLOWS = ".github/workflows/"
"""Where GitHub lets an App write with a permission of its own alone."""


def opened(address: str, tenant_id: UUID, bench: Bench) -> Repository:
    """Open a repository through the tenant's connection to its server; no server is asked yet.

    Raises ``InvalidInputError`` where the tenant has no connection for it.
    """
    with bench.session() as session:
        return ScmService(session, bench.settings).open(tenant_id, address)


def start(repository: Repository, wanted: str | None) -> tuple[About, str, str]:
    """Return what the repository is, the branch that a pull request goes to, and that branch's commit.

    Raises ``InstallRefusedError`` that names the right that is missing where nothing can be proposed there.
    """
    about = repository.about()
    if about.is_archived:
        raise InstallRefusedError(f"{about.address} is archived, so nothing can be proposed to it.")
    require(about, Right.PUSH, Right.PULL_REQUESTS)
    branch = wanted or about.default_branch
    head = repository.branch(branch)
    if head is None:
        raise InstallRefusedError(
            f"{about.address} has no branch {branch} yet. Push a first commit to it, or name another branch."
        )
    return about, branch, head


def require(about: About, *rights: Right) -> None:
    """Raise ``InstallRefusedError`` that says how to give the first right that is missing."""
    for right in rights:
        if right not in about.rights:
            why = about.missing.get(right, f"The right {right} is missing.")
            raise InstallRefusedError(f"Slipway may not open pull requests in {about.address}. {why}")


def is_contained(repository: Repository, found: PullRequest) -> bool:
    """Tell whether the base branch has the pull request's commit already, however it came there."""
    base = repository.branch(found.base)
    try:
        return base is not None and repository.merge_base(found.head_sha, base) == found.head_sha
    except CommitNotFoundError:
        return False


def parents(mirror: Path, commit: str) -> list[str]:
    """Return the parents of a commit as it names them, whether they were fetched or not."""
    head = run_git_for_bytes(mirror, "cat-file", "commit", commit).partition(b"\n\n")[0]
    return [line.split(b" ")[1].decode() for line in head.split(b"\n") if line.startswith(b"parent ")]


def holds(mirror: Path, commit: str, writes: Mapping[str, File | None]) -> bool:
    """Tell whether a commit has just these files at their paths, byte for byte and mode for mode."""
    return not differing(mirror, commit, writes)


def differing(mirror: Path, commit: str, writes: Mapping[str, File | None]) -> dict[str, str | None]:
    """Return what a commit has at each path where it has something else than these.

    That is its blob, "" for what is no file, such as a submodule, and None for nothing.
    """
    paths = [f":(literal){path}" for path in writes]
    listing = run_git_for_bytes(mirror, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths)
    found = {}
    for entry in listing.split(b"\0"):
        head, tab, name = entry.partition(b"\t")
        if tab:
            mode, kind, blob = head.split(b" ")
            found[os.fsdecode(name)] = (blob.decode() if kind == b"blob" else "", mode == b"100755")
    wanted = {path: None if file is None else (_blob_id(file[0]), file[1]) for path, file in writes.items()}
    others = {path: found.get(path) for path, each in wanted.items() if found.get(path) != each}
    return {path: None if each is None else each[0] for path, each in others.items()}


def _blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324  # it is how git names a blob
