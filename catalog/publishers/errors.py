"""What can go wrong between a CI job's identity and a token."""

from catalog.errors import ForbiddenError, SlipwayError


class NoTrustedPublisherError(ForbiddenError):
    """No tenant lets this job publish this asset; nothing is told of those that let others."""

    code = "no_trusted_publisher"
    title = "This job may not publish this asset"


class ProofNotFoundError(SlipwayError):
    """What has to stand at a place does not stand there; fit for a page."""

    code = "proof_not_found"
    status = 422
    title = "The proof was not found"
