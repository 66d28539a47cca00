"""PolicyAsCodeService: what is bound, what is waived and overridden, and what policies say."""

from catalog.policies.service.evaluating import Asked, Assessment, Evaluating
from catalog.policies.service.history import read_evaluation, summarise_evaluation

__all__ = ["Asked", "Assessment", "PolicyAsCodeService", "read_evaluation", "summarise_evaluation"]


class PolicyAsCodeService(Evaluating):
    """One unit of work on policies; everything happens in the session's transaction."""
