"""What a repository on Azure DevOps holds, and commits made there: small reads by its API, the rest by git itself.

Commits are pushed rather than posted, because the API for pushes knows neither executable files nor what is larger
than a request; ``--force-with-lease`` is the same compare-and-swap.
"""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from catalog.providers.scm.azure_devops_api.addresses import Place
from catalog.providers.scm.azure_devops_api.client import AzureError, Client, missing_right
from catalog.providers.scm.changes import check_branch, check_paths
from catalog.providers.scm.errors import (
    BranchMovedError,
    CommitNotFoundError,
    FileNotInRepositoryError,
    FolderRefusedError,
    RepositoryUnavailableError,
    ScmConflictError,
    TagNotFoundError,
)
from catalog.providers.scm.git_command import run_git_for_bytes
from catalog.providers.scm.git_fetching import allowed_at, fetched, locked
from catalog.providers.scm.local_git_reading import differing_paths, folder_at, object_at, resolved
from catalog.providers.scm.local_git_writing import NO_COMMIT, make_commit
from catalog.providers.scm.values import FolderEntry, FolderLimits, NewCommit

COMMIT = re.compile(r"[0-9a-f]{7,40}")
REF = re.compile(r"(?!-)[\w./+@#-]{1,200}")
_WHOLE = 40


class Contents:
    """Commits, files and branches of one repository; ``kept`` is the folder in which its mirror is."""

    def __init__(self, client: Client, place: Place, kept: Path) -> None:
        self._client = client
        self._place = place
        self._kept = kept

    def resolve(self, ref: str) -> str:
        """See ``Repository``."""
        for sha in (self.branch(ref), self._tagged(ref)):
            if sha is not None:
                return sha
        if COMMIT.fullmatch(ref):
            return self.commit(ref)
        raise CommitNotFoundError(f"{self._place.address} has no branch, tag or commit {ref[:100]!a}.")

    def commit(self, revision: str) -> str:
        """See ``Repository``; the server itself says which commit an abbreviated id names, where it can."""
        sha = ""
        if COMMIT.fullmatch(revision):
            with suppress(AzureError):
                sha = self._commit(revision)
        if not sha.startswith(revision) or not sha:
            raise CommitNotFoundError(f"{self._place.address} has no commit {revision[:64]!a}.")
        return sha

    def tag(self, name: str) -> str:
        """See ``Repository``."""
        sha = self._tagged(name)
        if sha is None:
            raise TagNotFoundError(f"{self._place.address} has no tag {name[:100]!a}.")
        return sha

    def branch(self, name: str) -> str | None:
        """See ``Repository``."""
        found = self._ref(f"heads/{name}", name)
        return None if found is None else str(found["objectId"])

    def read_file(self, path: str, largest: int, commit: str, shown: str) -> str:
        """Return a text file at a commit; ``shown`` says where that is."""
        asked = {
            "path": f"/{path}",
            "versionDescriptor.version": commit,
            "versionDescriptor.versionType": "commit",
            "$format": "json",
        }
        try:
            item = self._client.get(f"{self._place.api}/items", asked)
        except AzureError:
            item = {}
        if item.get("gitObjectType") != "blob" or item.get("isSymLink"):
            raise FileNotInRepositoryError(f"{self._place.address} has no file {path} on {shown}.")
        blob = f"{self._place.api}/blobs/{item['objectId']}"
        if self._client.get(blob, {"$format": "json"})["size"] > largest:
            raise FileNotInRepositoryError(f"{path} of {self._place.address} is larger than {largest // 1024} KiB.")
        return self._client.read(blob).decode("utf-8", "replace")

    def read_folder(self, commit: str, folder: str, limits: FolderLimits) -> Mapping[str, FolderEntry]:
        """See ``Repository``."""
        inside = folder.strip("/")
        try:
            mirror = self.mirror(commit, self._kept)
        except CommitNotFoundError as error:
            raise FolderRefusedError(error.detail) from None
        found = object_at(mirror, commit, inside) if inside else commit
        tree = resolved(mirror, f"{found}^{{tree}}")
        if tree is None:
            raise FolderRefusedError(f"{self._place.address} has no folder {inside or '/'} at {commit[:12]}.")
        return folder_at(mirror, tree, inside, limits)

    def merge_base(self, one: str, other: str) -> str:
        """See ``Repository``."""
        try:
            found = self._client.get(f"{self._place.api}/commits/{one}/mergebases", {"otherCommitId": other})["value"]
        except AzureError:
            found = []
        if not found:
            raise CommitNotFoundError(f"{one[:12]} and {other[:12]} have no commit in common in {self._place.address}.")
        return str(found[0]["commitId"])

    def changed_paths(self, base: str, head: str) -> tuple[str, ...]:
        """See ``Repository``; of both commits only the trees are compared, so neither's history is fetched."""
        before = self.merge_base(base, head)
        self.mirror(before, self._kept)
        return differing_paths(self.mirror(head, self._kept), before, head)

    def mirror(self, commit: str, into: Path) -> Path:
        """Fetch a commit by git itself; the mirror is ours."""
        return fetched(into / self._mirror_name(), self._place.address, commit, self._client.authorization())

    def create_branch(self, name: str, sha: str) -> None:
        """See ``Repository``."""
        check_branch(name)
        told = self._move(name, NO_COMMIT, sha)
        if told["success"]:
            return
        present = self.branch(name)
        if present is None:
            detail = f"{self._place.address} has no commit {sha[:64]}: {told.get('updateStatus')}"
            raise CommitNotFoundError(detail)
        if present != sha:
            raise ScmConflictError(f"{self._place.address} has a branch {name} already, at another commit.")

    def delete_branch(self, name: str, expected: str) -> None:
        """See ``Repository``; where the branch has to be is part of the request."""
        self._require_at(name, expected, gone_is_fine=True)
        if self.branch(name) is None:
            return
        told = self._move(name, expected, NO_COMMIT)
        if not told["success"]:
            self._require_at(name, expected, gone_is_fine=True)
            raise ScmConflictError(f"Azure DevOps does not remove {name}: {told.get('updateStatus')}")

    def commit_files(self, new: NewCommit) -> str:
        """See ``Repository``; the push names where the branch has to be."""
        check_branch(new.branch)
        check_paths(new.changes)
        self._require_at(new.branch, new.expected_parent)
        mirror, joins = self.mirror(new.expected_parent, self._kept), False
        if new.onto is not None:
            self.mirror(new.onto, self._kept)
            joins = not self._contains(new.expected_parent, new.onto)
        with locked(mirror.with_name(f"{mirror.name}.lock")):
            made = make_commit(mirror, new.expected_parent, new.changes, new.message, new.onto, joins=joins)
            if made == new.expected_parent:
                return made
            said = self._push(mirror, new, made)
        if said:
            self._require_at(new.branch, new.expected_parent)
            if "permission" in said or "403" in said:
                raise missing_right(said if "permission" in said else "You need the Git 'GenericContribute' permission")
            raise ScmConflictError(f"Azure DevOps does not take the commit on {new.branch}: {said}")
        return made

    def _contains(self, commit: str, other: str) -> bool:
        try:
            return self.merge_base(other, commit) == other
        except CommitNotFoundError:
            return False

    def _push(self, mirror: Path, new: NewCommit, made: str) -> str:
        """Push a commit; return why it was not taken, "" where it was."""
        ref = f"refs/heads/{new.branch}"
        lease = f"--force-with-lease={ref}:{new.expected_parent}"
        command = ["push", "--porcelain", "--no-verify", lease, self._place.address, f"{made}:{ref}"]
        variables = allowed_at(self._place.address, self._client.authorization())
        try:
            told = run_git_for_bytes(mirror, *command, variables=variables, fine=(0, 1)).decode("utf-8", "replace")
        except RepositoryUnavailableError as error:
            if "403" in error.detail:
                return "403"
            raise
        refused = [line.split("\t")[-1] for line in told.splitlines() if line.startswith("!")]
        return refused[0] if refused else ""

    def _require_at(self, branch: str, expected: str, *, gone_is_fine: bool = False) -> None:
        found = self.branch(branch)
        if found != expected and not (found is None and gone_is_fine):
            at = "gone" if found is None else f"at {found[:12]}"
            raise BranchMovedError(f"{branch} is {at}, not at {expected[:12]}.", found)

    def _move(self, branch: str, old: str, new: str) -> Mapping[str, Any]:
        body = [{"name": f"refs/heads/{branch}", "oldObjectId": old, "newObjectId": new}]
        told: Mapping[str, Any] = self._client.send("POST", f"{self._place.api}/refs", body)["value"][0]
        status = str(told.get("updateStatus", ""))
        if status in {"writePermissionRequired", "createBranchPermissionRequired"}:
            name = "CreateBranch" if status.startswith("create") else "GenericContribute"
            raise missing_right(f"You need the Git '{name}' permission")
        return told

    def _commit(self, revision: str) -> str:
        if len(revision) == _WHOLE:
            return str(self._client.get(f"{self._place.api}/commits/{revision}")["commitId"])
        asked = {
            "searchCriteria.itemVersion.version": revision,
            "searchCriteria.itemVersion.versionType": "commit",
            "searchCriteria.$top": 1,
        }
        found = self._client.get(f"{self._place.api}/commits", asked)["value"]
        return str(found[0]["commitId"]) if found else ""

    def _ref(self, ref: str, name: str) -> Mapping[str, Any] | None:
        if not REF.fullmatch(name):
            return None
        # What is asked for is how the name begins: others may begin so, too.
        asked = {"filter": ref, "peelTags": "true"}
        listed = self._client.listed(f"{self._place.api}/refs", asked)
        return next((each for each in listed if each["name"] == f"refs/{ref}"), None)

    def _tagged(self, name: str) -> str | None:
        found = self._ref(f"tags/{name}", name)
        return None if found is None else str(found.get("peeledObjectId") or found["objectId"])

    def _mirror_name(self) -> str:
        return f"{hashlib.sha256(self._place.address.encode()).hexdigest()[:24]}.git"
