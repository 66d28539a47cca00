"""Which job a trusted publisher lets: pure functions."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from catalog.providers.identities import Workload
from catalog.publishers.models import ProofKind, ProofState, PublisherProof, TrustedPublisher


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


WELL_KNOWN = "/.well-known/slipway-publisher.txt"
IN_REPOSITORY = ".slipway-publisher"
LOOKED_AT_AGAIN = timedelta(days=1)
GRACE = timedelta(days=7)
"""How long a proof that was found once may be missing before it lapses: a server may be down for a while."""
_RETRIES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+(?::[0-9]{{1,5}})?")


def is_domain(text: str) -> bool:
    """Tell whether a text is a domain name with at least one dot, perhaps with a port."""
    return len(text) <= 253 and _DOMAIN.fullmatch(text) is not None


def place(proof: PublisherProof) -> str:
    """Return where a proof's challenge has to stand."""
    if proof.kind is ProofKind.DOMAIN:
        return f"https://{proof.subject}{WELL_KNOWN}"
    return f"{proof.subject}: {IN_REPOSITORY} on the default branch"


def stands_in(text: str, challenge: str) -> bool:
    """Tell whether a line of ``text`` is the challenge; other lines may belong to other installations."""
    return any(line.strip() == challenge for line in text.splitlines()[:200])


def next_look(proof: PublisherProof, moment: datetime) -> datetime:
    """Return when to look again: daily once it was found, sooner while it is awaited, within a week at the most."""
    if proof.state is ProofState.VERIFIED:
        return moment + (LOOKED_AT_AGAIN if proof.problem is None else _RETRIES[2])
    waited = moment - proof.created_at
    return moment + next((each for each in _RETRIES if waited < 10 * each), LOOKED_AT_AGAIN)


def is_over(proof: PublisherProof, moment: datetime) -> bool:
    """Tell whether a proof has not been found for longer than the grace; one that lapsed is not looked for again."""
    return moment - (proof.verified_at or proof.created_at) > GRACE


def verified_name(proofs: Sequence[PublisherProof]) -> str | None:
    """Return the one name under which a publisher is known: its oldest verified domain, else repository."""
    verified = [each for each in proofs if each.state is ProofState.VERIFIED]
    best = min(verified, key=lambda each: (each.kind is not ProofKind.DOMAIN, each.created_at), default=None)
    return best.subject if best else None
