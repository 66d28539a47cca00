"""Identities of CI jobs: what an OpenID Connect token of a job says about where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from catalog.discovery import discover
from catalog.errors import UnauthorizedError, UnavailableError

GROUP = "slipway.providers.identities"
Claims = Mapping[str, Any]


class IdentityRefusedError(UnauthorizedError):
    """A token is not one that a known issuer gave to be shown here, now."""

    code = "identity_refused"
    title = "The identity token is not accepted"


class IssuerUnavailableError(UnavailableError):
    """The issuer of a token does not tell its keys at the moment."""

    code = "issuer_unavailable"


@dataclass(frozen=True)
class Workload:
    """The job behind a token.

    ``owner_id`` and ``repository_id`` are the issuer's immutable ids: a name can be given up and taken by somebody
    else, an id cannot. ``repository`` is for people. ``workflow`` names the definition that runs, with its
    repository where that is another one. ``environment``, ``reference`` (branch or tag), ``commit`` and ``run`` are ""
    where the issuer does not tell.
    """

    owner_id: str
    repository_id: str
    repository: str
    workflow: str = ""
    environment: str = ""
    reference: str = ""
    commit: str = ""
    run: str = ""


@runtime_checkable
class IdentityProvider(Protocol):
    """One kind of issuer: how to read its claims, and what its ids are called where a person looks them up."""

    name: str
    label: str
    owner_label: str
    repository_label: str
    workflow_label: str

    def workload(self, claims: Claims, names: Mapping[str, str]) -> Workload:
        """Return the job that verified claims speak of; raise ``IdentityRefusedError`` where one is missing.

        ``names`` is the issuer's entry of the setting ``SLIPWAY_IDENTITY_ISSUERS``.
        """
        ...


def providers() -> dict[str, IdentityProvider]:
    """Return every provider by name."""
    return discover(GROUP, "PROVIDER", IdentityProvider)


def required(claims: Claims, name: str) -> str:
    """Return a claim that must be there, as text."""
    value = claims.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise IdentityRefusedError(f"The token has no claim {name}, which says where the job runs.")
    return str(value)


def optional(claims: Claims, name: str) -> str:
    """Return a claim as text, "" where it is missing."""
    value = claims.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
