"""What can go wrong between a CI job's identity and a token."""

from catalog.errors import ForbiddenError


class NoTrustedPublisherError(ForbiddenError):
    """No tenant lets this job publish this asset; nothing is told of those that let others."""

    code = "no_trusted_publisher"
    title = "This job may not publish this asset"
