"""The Git side of the fake of GitHub: a real repository, read and written by the git command."""

import base64
import subprocess
from pathlib import Path
from typing import Any


class GitSide:
    """One bare repository."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, *arguments: str, sent: bytes = b"") -> str:
        """Run git; a failure is a ``CalledProcessError``."""
        command = ["git", "-C", str(self._path), "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
        return subprocess.run(command, input=sent, check=True, capture_output=True).stdout.decode().strip()

    def find(self, revision: str) -> str | None:
        """Return the id that a revision names."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", revision)
        except subprocess.CalledProcessError:
            return None

    def commit(self, ref: str) -> str:
        """Return the id of a commit; as GitHub, refuse with 422 what names none."""
        found = self.find(f"{ref}^{{commit}}")
        if found is None:
            from tests.catalog.providers.scm.github_fake_state import Refusal  # noqa: PLC0415

            raise Refusal(422, f"No commit found for SHA: {ref}")
        return found

    def tree(self, sha: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Return the entries of a tree as GitHub lists them."""
        found = []
        for line in self.run("ls-tree", "-l", "-z", *(["-r", "-t"] if recursive else []), sha).split("\0"):
            about, _, path = line.partition("\t")
            if about:
                mode, kind, blob, size = about.split()
                entry: dict[str, Any] = {
                    "path": path,
                    "mode": mode,
                    "type": kind,
                    "sha": blob,
                    "url": "https://x.example",
                }
                found.append(entry | ({"size": int(size)} if kind == "blob" else {}))
        return found

    def make_tree(self, base: str, changes: list[dict[str, Any]]) -> str:
        """Return the tree of ``base`` with changes; what is to go has to be there."""
        index = {"GIT_INDEX_FILE": str(self._path / "fake-index")}
        present = {each["path"] for each in self.tree(base, recursive=True)}
        assert all(each["sha"] is not None or each["path"] in present for each in changes), "GitRPC::BadObjectState"
        lines = "".join(
            f"{'0' if each['sha'] is None else each['mode']} {each['sha'] or '0' * 40}\t{each['path']}\n"
            for each in changes
        )
        for arguments, sent in ((["read-tree", base], b""), (["update-index", "--index-info"], lines.encode())):
            subprocess.run(
                ["git", "-C", str(self._path), *arguments],
                input=sent,
                env=index | {"PATH": "/usr/bin:/bin"},
                check=True,
            )
        done = subprocess.run(
            ["git", "-C", str(self._path), "write-tree"],
            env=index | {"PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def blob(self, content: str) -> str:
        """Store a blob given in base64."""
        return self.run("hash-object", "-w", "--stdin", sent=base64.b64decode(content))

    def read(self, sha: str) -> bytes:
        """Return a blob's bytes."""
        command = ["git", "-C", str(self._path), "cat-file", "blob", sha]
        return subprocess.run(command, check=True, capture_output=True).stdout
