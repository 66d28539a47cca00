"""Where an asset's files come from, as far as Git on this machine knows, and the signed provenance of its archive."""

import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from catalog.assets.check import Checked
from catalog.attestations.local_signing import build_provenance, load_private_key, sign_bundle
from catalog.attestations.predicates import PROVENANCE
from catalog.attestations.statements import Subject
from catalog.clock import now
from catalog.settings import inherited_environment
from portal.cli.errors import CommandError

BUNDLE_SUFFIX = ".sigstore.json"


def provenance_of(checked: Checked, directory: Path, epoch: int) -> tuple[Subject, dict[str, Any]]:
    """Return the subject and the SLSA provenance of the archive that was built from ``directory``."""
    if checked.package is None:
        raise CommandError("The manifest cannot be read.")
    metadata = checked.package.manifest.metadata
    moment = now().isoformat()
    predicate = build_provenance(
        version=version("slipway"),
        epoch=epoch,
        tree=checked.package.digests.tree,
        sources=git_sources(directory),
        started=moment,
        finished=moment,
    )
    name = f"{metadata.namespace}/{metadata.name}@{metadata.version}"
    return Subject(name, "sha256", checked.package.digests.blob), predicate


def signed_provenance(checked: Checked, directory: Path, epoch: int, key: Path, password: Path | None) -> bytes:
    """Return a bundle with the provenance of the archive that was built from ``directory``, signed with ``key``."""
    subject, predicate = provenance_of(checked, directory, epoch)
    secret = None if password is None else password.read_bytes().strip()
    return sign_bundle(load_private_key(key.read_bytes(), secret), [subject], PROVENANCE, predicate)


def git_sources(directory: Path) -> list[dict[str, Any]]:
    """Return the commit that a folder is at as a resource descriptor; empty where it is in no repository.

    Files that differ from the commit are said to: then the commit alone does not explain the archive.
    """
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None:
        return []
    remote = _git(directory, "config", "--get", "remote.origin.url") or ""
    changed = bool(_git(directory, "status", "--porcelain", "--", "."))
    source: dict[str, Any] = {"name": "source", "digest": {"gitCommit": commit}}
    if remote.startswith(("https://", "git@", "ssh://")) and "@" not in remote.partition("://")[2].partition("/")[0]:
        source["uri"] = f"git+{remote}"  # without a password that somebody wrote into the address
    if changed:
        source["annotations"] = {"changed": True}
    return [source]


def _git(directory: Path, *arguments: str) -> str | None:
    environment = {"PATH": inherited_environment().get("PATH", os.defpath), "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=20, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
