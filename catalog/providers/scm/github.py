"""GitHub and GitHub Enterprise Server, with a token or as a GitHub App."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from catalog.errors import InvalidInputError
from catalog.providers.scm import Access, HookDelivery, Repository
from catalog.providers.scm.errors import CredentialsRefusedError, RepositoryNotFoundError
from catalog.providers.scm.github_api.hooks import parse_delivery
from catalog.providers.scm.hook_signatures import is_signed
from catalog.settings import Settings

if TYPE_CHECKING:
    from catalog.providers.scm.github_api.client import Client

SERVER = "https://github.com"
_PATH = re.compile(r"/([a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){0,38}(?:_[a-z0-9]+)?)/(?!\.{1,2}$)([\w.-]{1,100})")


class GitHub:
    """The provider ``github``; an address reads ``https://server/owner/name``, all lower case as GitHub compares it."""

    name = "github"

    def claims(self, repository: str) -> bool:
        """Tell whether the address is of github.com; other servers are known by their connections."""
        return _spelled(repository).startswith(f"{SERVER}/")

    def normalise(self, repository: str, settings: Settings) -> str:
        """Return ``https://server/owner/name``; a user, a query or more of a path is refused."""
        del settings
        parts = urlsplit(_spelled(repository))
        match = _PATH.fullmatch(parts.path.removesuffix("/").removesuffix(".git"))
        is_plain = parts.scheme in {"https", "http"} and parts.hostname and not parts.query and not parts.fragment
        if match is None or not is_plain or "@" in parts.netloc:
            detail = f"{repository[:200]!a} is no repository on GitHub. Write https://github.com/OWNER/NAME."
            raise RepositoryNotFoundError(detail)
        return f"{parts.scheme}://{parts.netloc}/{match[1]}/{match[2]}"

    def open(self, repository: str, access: Access, settings: Settings) -> Repository:
        """Open a repository; credentials are sent to the server of ``access.base_url`` and to no other."""
        from catalog.providers.scm.github_api.repository import GitHubRepository  # noqa: PLC0415  (PyGithub is large)

        server = (access.base_url or SERVER).rstrip("/")
        if not repository.startswith(f"{server}/"):
            raise InvalidInputError(f"{repository} is not on the server {server} of this connection.")
        api = "https://api.github.com" if server == SERVER else f"{server}/api/v3"
        credentials = tuple(sorted(access.credentials.items()))
        try:
            client = _client(api, credentials, settings.scm_write_pause_seconds)
        except (ValueError, KeyError, AssertionError) as error:
            detail = "The credentials are neither a token nor app_id, private_key and installation_id."
            raise CredentialsRefusedError(detail) from error
        return GitHubRepository(client, repository)

    def hook_is_genuine(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> bool:
        """Compare ``X-Hub-Signature-256`` with the HMAC of the raw bytes; the older SHA-1 header counts for nothing."""
        return is_signed(headers.get("x-hub-signature-256", ""), body, secrets)

    def parse_hook(self, headers: Mapping[str, str], body: bytes) -> HookDelivery:
        """Read a delivery of a webhook of a repository, an organisation or a GitHub App."""
        return parse_delivery(headers, body)


def _spelled(repository: str) -> str:
    address = repository.strip().lower()
    if address.startswith("git@github.com:"):
        return f"{SERVER}/{address.removeprefix('git@github.com:')}"
    return f"https://{address}" if address.startswith("github.com/") else address


@lru_cache(maxsize=128)
def _client(api: str, credentials: tuple[tuple[str, str], ...], pause: float) -> "Client":
    # Kept, because it knows tokens, answers and limits that the next call would have to find out again.
    from catalog.providers.scm.github_api.client import Client  # noqa: PLC0415

    return Client(api, Access(credentials=dict(credentials)), pause)


PROVIDER = GitHub()
