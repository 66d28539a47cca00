"""Where a version was published from, in words: the repository, and the job or the tag."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from catalog.providers.identities import providers

# A job's identity names a repository without its host; these are the public hosts of the known kinds of issuers.
_HOSTS = {"github-actions": ("https://token.actions.githubusercontent.com", "https://github.com"),
          "gitlab": ("https://gitlab.com", "https://gitlab.com")}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A repository with its address ("" where it has none for others), and what else is known of the publication.

    ``issuer`` is who has signed that a job published it, "" where Slipway itself read a tag.
    """

    text: str
    href: str
    issuer: str
    facts: tuple[tuple[str, str], ...]


def source_of(published_from: Mapping[str, Any] | None) -> Source | None:
    """Read what a version keeps of its publication; None where it came with an ordinary token or from a browser."""
    given = {name: str(value) for name, value in (published_from or {}).items() if value}
    repository = given.get("repository", "")
    if not repository:
        return None
    provider = providers().get(given.get("provider", ""))
    facts = [
        ("Workflow", given.get("workflow", "")),
        ("Environment", given.get("environment", "")),
        ("Branch or tag", given.get("reference", "").removeprefix("refs/heads/").removeprefix("refs/tags/")),
        ("Commit", given.get("commit", "")),
        ("Run", given.get("run", "")),
    ]
    return Source(
        text=_text(repository),
        href=_address(repository, given),
        issuer=(provider.label if provider else given["issuer"]) if "issuer" in given else "",
        facts=tuple((name, value) for name, value in facts if value),
    )


def _text(repository: str) -> str:
    # A folder of this machine is nobody's business but the publisher's; its name says enough.
    if repository.startswith("/"):
        return repository.rstrip("/").rpartition("/")[2]
    parts = urlsplit(repository)
    return f"{parts.hostname}{parts.path}".removesuffix(".git") if parts.hostname else repository


def _address(repository: str, given: Mapping[str, str]) -> str:
    if urlsplit(repository).scheme == "https" and "@" not in urlsplit(repository).netloc:
        return repository
    issuer, host = _HOSTS.get(given.get("provider", ""), ("", ""))
    return f"{host}/{repository}" if host and given.get("issuer") == issuer and "://" not in repository else ""
