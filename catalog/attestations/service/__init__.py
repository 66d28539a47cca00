"""SupplyChainAttestationService: statements, the keys behind them, and what a tenant trusts."""

from catalog.attestations.service.ageing import Ageing
from catalog.attestations.service.exploitability import Exploitability
from catalog.attestations.service.registries import Registries
from catalog.attestations.service.registry_log import RegistryLog
from catalog.attestations.service.reliances import Reliances
from catalog.attestations.service.sbom_making import Makings

__all__ = ["SupplyChainAttestationService"]


class SupplyChainAttestationService(Makings, Reliances, RegistryLog, Registries, Exploitability, Ageing):
    """One unit of work on attestations; everything happens in the session's transaction."""
