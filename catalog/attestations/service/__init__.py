"""SupplyChainAttestationService: statements, the keys behind them, and what a tenant trusts."""

from catalog.attestations.service.judging import Judging
from catalog.attestations.service.registry_log import RegistryLog
from catalog.attestations.service.revocation import Revocation

__all__ = ["SupplyChainAttestationService"]


class SupplyChainAttestationService(Judging, Revocation, RegistryLog):
    """One unit of work on attestations; everything happens in the session's transaction."""
