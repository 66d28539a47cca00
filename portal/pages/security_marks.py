"""Security notices beside assets in lists, and on their pages: which vulnerabilities a version is affected by."""

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session

from catalog.assets.findings import printable
from catalog.assets.models import AssetRead
from catalog.assets.service import AssetService
from catalog.attestations.exploitability import Vulnerability
from catalog.attestations.service import SupplyChainAttestationService
from catalog.settings import Settings
from catalog.tenancy import Principal

Affected = Mapping[str, Sequence[str]]
"""The names of open vulnerabilities, by ``namespace/name``; assets without any are left out."""


def affected_assets(
    session: Session, settings: Settings, principal: Principal, assets: Sequence[AssetRead]
) -> Affected:
    """Return what the versions that stand for assets are affected by, as verified OpenVEX says.

    Whoever may not read attestations is told of none.
    """
    if not assets or not principal.may("attestations:read"):
        return {}
    digests = AssetService(session).digests(principal.tenant_id, assets)
    found = SupplyChainAttestationService(session, settings).vulnerable(principal.tenant_id, set(digests.values()))
    return {path: _names(found[digest]) for path, digest in digests.items() if digest in found}


def affecting(session: Session, settings: Settings, principal: Principal, digest: str) -> Sequence[str]:
    """Return the names of open vulnerabilities of one archive (SHA-256, hex)."""
    if not principal.may("attestations:read"):
        return ()
    found = SupplyChainAttestationService(session, settings).vulnerable(principal.tenant_id, [digest])
    return _names(found.get(digest, ()))


def _names(vulnerabilities: Iterable[Vulnerability]) -> Sequence[str]:
    return sorted({printable(each.name) for each in vulnerabilities})
