"""Which job a trusted publisher lets: pure functions."""

from collections.abc import Sequence

from catalog.providers.identities import Workload
from catalog.publishers.models import TrustedPublisher


def lets(publisher: TrustedPublisher, issuer: str, workload: Workload) -> bool:
    """Tell whether a trusted publisher lets a job.

    The ids decide; names of repositories are not looked at, since a name can pass to somebody else. Workflows are
    compared without regard to case where hosts do so, environments exactly.
    """
    return (
        publisher.issuer == issuer
        and publisher.owner_id == workload.owner_id
        and publisher.repository_id == workload.repository_id
        and publisher.workflow.lower() in {"", workload.workflow.lower()}
        and publisher.environment in {"", workload.environment}
    )


def narrowest(publishers: Sequence[TrustedPublisher]) -> TrustedPublisher:
    """Return the one that says most about the job, the oldest of equals."""
    return min(publishers, key=lambda each: (not each.workflow, not each.environment, each.created_at))
