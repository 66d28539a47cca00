"""What a repository on GitHub holds, and commits made there: GitHub's Git database, never a clone that is written."""

import base64
import hashlib
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
from catalog.providers.scm.git_fetching import basic, fetched
from catalog.providers.scm.github_api.client import Client, GitHubError
from catalog.providers.scm.local_git_reading import folder_at
from catalog.providers.scm.values import FolderEntry, FolderLimits, NewCommit

COMMIT = re.compile(r"[0-9a-f]{7,64}")
REF = re.compile(r"(?!-)[\w./+@#-]{1,200}")
_SHA = "application/vnd.github.sha"
_BY_REQUEST = 50
"""Up to so many files are read one by one; more are fetched by git in one go."""


class Contents:
    """Commits, trees and branches of one repository; ``base`` is its path in the API, ``clone`` its address for git."""

    def __init__(self, client: Client, address: str, base: str, clone: str) -> None:
        self._client = client
        self._address = address
        self._base = base
        self._clone = clone

    def resolve(self, ref: str) -> str:
        """See ``Repository``."""
        for sha in (self.branch(ref), self._tagged(ref)):
            if sha is not None:
                return sha
        if COMMIT.fullmatch(ref):
            return self.commit(ref)
        raise CommitNotFoundError(f"{self._address} has no branch, tag or commit {ref[:100]!a}.")

    def commit(self, revision: str) -> str:
        """See ``Repository``."""
        sha = ""
        if COMMIT.fullmatch(revision):
            with suppress(GitHubError):
                sha = str(self._client.get(f"{self._base}/commits/{revision}", accept=_SHA)).strip()
        if not sha.startswith(revision) or not sha:  # a branch may be called like the beginning of an id
            raise CommitNotFoundError(f"{self._address} has no commit {revision[:64]!a}.")
        return sha

    def tag(self, name: str) -> str:
        """See ``Repository``."""
        sha = self._tagged(name)
        if sha is None:
            raise TagNotFoundError(f"{self._address} has no tag {name[:100]!a}.")
        return sha

    def branch(self, name: str) -> str | None:
        """See ``Repository``."""
        found = self._ref(f"heads/{name}", name)
        return None if found is None else str(found["sha"])

    def read_file(self, path: str, largest: int, commit: str, shown: str) -> str:
        """Return a text file at a commit; ``shown`` says where that is."""
        entry = self._entry(self._tree_of(commit), path)
        if entry is None or entry["mode"] not in {"100644", "100755"}:
            raise FileNotInRepositoryError(f"{self._address} has no file {path} on {shown}.")
        if entry["size"] > largest:
            raise FileNotInRepositoryError(f"{path} of {self._address} is larger than {largest // 1024} KiB.")
        return self._blob(entry["sha"]).decode("utf-8", "replace")

    def read_folder(self, commit: str, folder: str, limits: FolderLimits) -> Mapping[str, FolderEntry]:
        """See ``Repository``."""
        inside = folder.strip("/")
        try:
            tree = self._tree_of(commit)
            entry = self._entry(tree, inside) if inside else {"type": "tree", "sha": tree}
        except CommitNotFoundError:
            entry = None
        if entry is None or entry["type"] != "tree":
            raise FolderRefusedError(f"{self._address} has no folder {inside or '/'} at {commit[:12]}.")
        found = self._below(entry["sha"])
        size = sum(each.get("size", 0) for each in found.values())
        if len(found) > limits.files or size > limits.size:
            raise FolderRefusedError(
                f"{inside or 'The repository'} holds more than {limits.files} files or {limits.size // 1024**2} MiB."
                " Name the folder of the asset."
            )
        if len(found) > _BY_REQUEST:
            with tempfile.TemporaryDirectory(prefix="slipway-folder-") as place:
                return folder_at(self.mirror(commit, Path(place)), f"{commit}:{inside}", inside, limits)
        if links := [path for path, each in found.items() if each["mode"] not in {"100644", "100755"}]:
            raise FolderRefusedError(f"{links[0]} is a link or another repository. Put the file itself there.")
        return {
            path: FolderEntry(self._blob(each["sha"]), each["mode"] == "100755") for path, each in sorted(found.items())
        }

    def merge_base(self, one: str, other: str) -> str:
        """See ``Repository``."""
        try:
            compared = self._client.get(f"{self._base}/compare/{one}...{other}", {"per_page": 1, "page": 1})
        except GitHubError as error:
            detail = f"{one[:12]} and {other[:12]} have no commit in common in {self._address}: {error.message}"
            raise CommitNotFoundError(detail) from None
        return str(compared["merge_base_commit"]["sha"])

    def _contains(self, commit: str, other: str) -> bool:
        try:
            return self.merge_base(other, commit) == other
        except CommitNotFoundError:
            return False

    def changed_paths(self, base: str, head: str) -> tuple[str, ...]:
        """See ``Repository``; two trees are compared, because GitHub's own comparison ends after 300 files."""
        before, after = (self._below(self._tree_of(each)) for each in (self.merge_base(base, head), head))
        same = ("mode", "sha")
        return tuple(
            sorted(
                path
                for path in {*before, *after}
                if [before.get(path, {}).get(name) for name in same] != [after.get(path, {}).get(name) for name in same]
            )
        )

    def mirror(self, commit: str, into: Path) -> Path:
        """Fetch a commit by git itself; the mirror is ours."""
        name = f"{hashlib.sha256(self._address.encode()).hexdigest()[:24]}.git"
        return fetched(into / name, self._clone, commit, basic(self._client.basic_credentials()))

    def create_branch(self, name: str, sha: str) -> None:
        """See ``Repository``."""
        check_branch(name)
        try:
            self._client.send("POST", f"{self._base}/git/refs", {"ref": f"refs/heads/{name}", "sha": sha})
        except GitHubError as error:
            if error.answered == 404:
                raise
            present = self.branch(name)
            if present is None:
                raise CommitNotFoundError(f"{self._address} has no commit {sha[:64]}: {error.message}") from None
            if present != sha:
                detail = f"{self._address} has a branch {name} already, at another commit."
                raise ScmConflictError(detail) from None

    def delete_branch(self, name: str, expected: str) -> None:
        """See ``Repository``."""
        found = self.branch(name)
        if found is None:
            return
        if found != expected:
            raise BranchMovedError(f"{name} is at {found[:12]}, not at {expected[:12]}.", found)
        try:
            self._client.send("DELETE", f"{self._base}/git/refs/heads/{quote(name)}")
        except GitHubError:
            if self.branch(name) is not None:
                raise

    def commit_files(self, new: NewCommit) -> str:
        """See ``Repository``. The last step moves the branch forward only, so a push meanwhile is seen.

        What no request of GitHub's REST API can see is a branch forced back to an ancestor of ``expected_parent``
        between the look and that step, some hundred milliseconds apart.
        """
        check_branch(new.branch)
        check_paths(new.changes)
        self._require_at(new.branch, new.expected_parent)
        parents = [new.expected_parent]
        if new.onto is not None and not self._contains(new.expected_parent, new.onto):
            parents.append(new.onto)
        tree = self._changed_tree(self._tree_of(new.onto or new.expected_parent), new.changes)
        if len(parents) == 1 and tree == self._tree_of(new.expected_parent):
            return new.expected_parent
        body = {"message": new.message, "tree": tree, "parents": parents}
        commit = str(self._client.send("POST", f"{self._base}/git/commits", body)["sha"])
        try:
            url = f"{self._base}/git/refs/heads/{quote(new.branch)}"
            self._client.send("PATCH", url, {"sha": commit, "force": False})
        except GitHubError:
            self._require_at(new.branch, new.expected_parent)
            raise
        return commit

    def _changed_tree(self, tree: str, wanted: Mapping[str, FolderEntry | None]) -> str:
        present = self._below(tree)
        changes = [self._change(path, entry) for path, entry in wanted.items() if entry is not None or path in present]
        if not changes:
            return tree
        made = self._client.send("POST", f"{self._base}/git/trees", {"base_tree": tree, "tree": changes})
        return str(made["sha"])

    def _require_at(self, branch: str, expected: str) -> None:
        found = self.branch(branch)
        if found != expected:
            at = "gone" if found is None else f"at {found[:12]}"
            raise BranchMovedError(f"{branch} is {at}, not at {expected[:12]}.", found)

    def _change(self, path: str, entry: FolderEntry | None) -> dict[str, Any]:
        if entry is None:
            return {"path": path, "mode": "100644", "type": "blob", "sha": None}
        data = {"content": base64.b64encode(entry.content).decode(), "encoding": "base64"}
        blob = self._client.send("POST", f"{self._base}/git/blobs", data)["sha"]
        return {"path": path, "mode": "100755" if entry.is_executable else "100644", "type": "blob", "sha": blob}

    def _ref(self, ref: str, name: str) -> Mapping[str, Any] | None:
        if not REF.fullmatch(name):
            return None
        try:
            found: Mapping[str, Any] = self._client.get(f"{self._base}/git/ref/{quote(ref)}")["object"]
        except ScmConflictError:  # 409: the repository is empty
            return None
        return found

    def _tagged(self, name: str) -> str | None:
        found = self._ref(f"tags/{name}", name)
        for _ in range(5):  # a tag may name a tag
            if found is None or found["type"] == "commit":
                break
            found = self._client.get(f"{self._base}/git/tags/{found['sha']}")["object"]
        return str(found["sha"]) if found is not None and found["type"] == "commit" else None

    def _tree_of(self, commit: str) -> str:
        try:
            return str(self._client.get(f"{self._base}/git/commits/{commit}")["tree"]["sha"])
        except GitHubError:
            raise CommitNotFoundError(f"{self._address} has no commit {commit[:64]}.") from None

    def _entry(self, tree: str, path: str) -> dict[str, Any] | None:
        entry: dict[str, Any] | None = {"type": "tree", "sha": tree}
        for part in path.split("/"):
            if entry is None or entry["type"] != "tree":
                return None
            listed = self._client.get(f"{self._base}/git/trees/{entry['sha']}")["tree"]
            entry = next((each for each in listed if each["path"] == part), None)
        return entry

    def _below(self, tree: str) -> dict[str, dict[str, Any]]:
        answer = self._client.get(f"{self._base}/git/trees/{tree}", {"recursive": "1"})
        if answer["truncated"]:
            raise RepositoryUnavailableError(f"{self._address} has more files than GitHub lists at once.")
        return {each["path"]: each for each in answer["tree"] if each["type"] != "tree"}

    def _blob(self, sha: str) -> bytes:
        return base64.b64decode(self._client.get(f"{self._base}/git/blobs/{sha}")["content"])
