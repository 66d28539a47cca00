"""TrustedPublisherService and PublisherProofService: who publishes by identity, and as whom one is verified."""

from catalog.publishers.service.proofs import PublisherProofService
from catalog.publishers.service.trusted import TrustedPublisherService, exchange

__all__ = ["PublisherProofService", "TrustedPublisherService", "exchange"]
