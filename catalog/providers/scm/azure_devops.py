"""Azure DevOps Services and Azure DevOps Server, with a personal access token or as a service principal."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from catalog.errors import InvalidInputError
from catalog.providers.scm import Access, HookDelivery, Repository
from catalog.providers.scm.azure_devops_api.addresses import SERVER, Place, is_claimed, place_of
from catalog.providers.scm.azure_devops_api.client import Client
from catalog.providers.scm.azure_devops_api.hooks import is_genuine, parse_delivery
from catalog.providers.scm.azure_devops_api.people import People
from catalog.providers.scm.azure_devops_api.repository import AzureDevOpsRepository
from catalog.providers.scm.errors import CredentialsRefusedError
from catalog.settings import Settings


class AzureDevOps:
    """The provider ``azure_devops``; an address reads ``https://server/organisation/project/_git/name``."""

    name = "azure_devops"

    def claims(self, repository: str) -> bool:
        """Tell whether the address is spelled as Azure DevOps spells them, on whichever server."""
        return is_claimed(repository)

    def normalise(self, repository: str, settings: Settings) -> str:
        """Return ``https://server/organisation/project/_git/name``; a password or a query is refused."""
        del settings
        return place_of(repository).address

    def open(self, repository: str, access: Access, settings: Settings) -> Repository:
        """Open a repository; credentials are sent to the server of ``access.base_url`` and to no other."""
        server = (access.base_url or SERVER).rstrip("/")
        place = place_of(repository)
        if not place.address.startswith(f"{server}/"):
            raise InvalidInputError(f"{repository} is not on the server {server} of this connection.")
        credentials = tuple(sorted(access.credentials.items()))
        try:
            client = _client(credentials, settings.scm_write_pause_seconds, settings.scm_entra_server)
        except ValueError as error:
            detail = "The credentials are neither a token nor directory_id, client_id and client_secret."
            raise CredentialsRefusedError(detail) from error
        return AzureDevOpsRepository(client, place, _people(client, place), settings.data_dir / "repositories")

    def hook_is_genuine(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> bool:
        """Compare the password of HTTP Basic, or ``X-Slipway-Secret``; Azure DevOps signs no bytes."""
        del body
        return is_genuine(headers, secrets)

    def parse_hook(self, headers: Mapping[str, str], body: bytes) -> HookDelivery:
        """Read a delivery of a service hook, whose resource has to be sent with all its details."""
        del headers
        return parse_delivery(body)


@lru_cache(maxsize=128)
def _client(credentials: tuple[tuple[str, str], ...], pause: float, entra_server: str) -> Client:
    # Kept, because it knows tokens, identities and limits that the next call would have to find out again.
    return Client(dict(credentials), pause, entra_server)


@lru_cache(maxsize=512)
def _people(client: Client, place: Place) -> People:
    return People(client, place)


PROVIDER = AzureDevOps()
