"""With what a connection to each kind of server is made: where its public server is, and which credentials it takes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from catalog.errors import FieldError, InvalidInputError


@dataclass(frozen=True)
class Kind:
    """One kind of server: ``sets`` are the names of credentials that belong together, ``advice`` says them in words.

    ``is_shared`` where one server holds organisations that have nothing to do with each other: a connection may then
    be to one of them alone, by a path below the server.
    """

    server: str
    sets: tuple[frozenset[str], ...]
    advice: str
    numbers: tuple[str, ...] = ()
    is_shared: bool = False


KINDS = {
    "github": Kind(
        "https://github.com",
        (frozenset({"token"}), frozenset({"app_id", "installation_id", "private_key"})),
        "Give token, or app_id, installation_id and private_key.",
        ("app_id", "installation_id"),
    ),
    "azure_devops": Kind(
        "https://dev.azure.com",
        (frozenset({"token"}), frozenset({"directory_id", "client_id", "client_secret"})),
        "Give token, or directory_id, client_id and client_secret of a service principal.",
        is_shared=True,
    ),
}


def server_of(provider: str, base_url: str, known: Collection[str]) -> str:
    """Return the address a connection is made to; raise ``InvalidInputError`` for a provider or server not known here.

    ``known`` are the servers beside the public ones, as the installation names them.
    """
    kind = _kind(provider)
    wanted = base_url.lower().rstrip("/") or kind.server
    allowed = {kind.server, *(each.lower().rstrip("/") for each in known)}
    within = kind.is_shared and any(wanted.startswith(f"{each}/") for each in allowed)
    if wanted not in allowed and not (within and "/.." not in wanted):
        detail = "An administrator adds servers with SLIPWAY_SCM_SERVERS."
        raise InvalidInputError(f"{wanted} is no server known here.", [FieldError("/base_url", detail)])
    return wanted


def check_credentials(provider: str, credentials: Mapping[str, str]) -> None:
    """Raise ``InvalidInputError`` for credentials that are none of the provider's."""
    kind = _kind(provider)
    if set(credentials) not in kind.sets:
        raise InvalidInputError("These are no credentials.", [FieldError("/credentials", kind.advice)])
    wrong = [name for name in kind.numbers if name in credentials and not credentials[name].isdecimal()]
    if wrong:
        raise InvalidInputError("An id is a number.", [FieldError(f"/credentials/{wrong[0]}", "Give its number.")])


def hook_path(provider: str) -> str:
    """Return where a provider's hooks go, below the portal's address."""
    return f"/hooks/{provider.replace('_', '-')}"


def _kind(provider: str) -> Kind:
    kind = KINDS.get(provider)
    if kind is None:
        detail = f"Choose one of {', '.join(KINDS)}."
        raise InvalidInputError(f"There is no provider {provider!r}.", [FieldError("/provider", detail)])
    return kind
