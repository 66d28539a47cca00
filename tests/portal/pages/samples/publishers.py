"""The page of trusted publishers: full, empty, refused, and for who may not change it."""

from datetime import UTC, datetime
from uuid import UUID

from catalog.errors import FieldError
from catalog.providers.identities import providers
from catalog.providers.identities.verification import Issuer
from catalog.publishers.models import ProofKind, ProofState, PublisherProofRead, TrustedPublisherRead
from portal.pages.publishers import PublishersPage
from portal.pages.render import Page

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    github, azure = providers()["github-actions"], providers()["azure-devops"]
    known = {
        "https://token.actions.githubusercontent.com": Issuer(
            "https://token.actions.githubusercontent.com", github, {}
        ),
        "https://vstoken.dev.azure.com/acme": Issuer("https://vstoken.dev.azure.com/acme", azure, {}),
    }
    first = next(iter(known.values()))
    usual = TrustedPublisherRead(
        id=UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"),
        namespace="acme",
        name="preview",
        pending=False,
        issuer=first.url,
        provider="github-actions",
        owner_id="65",
        repository_id="74",
        repository="acme/preview",
        workflow="release.yml",
        environment="release",
        created_by="Ann",
        created_at=MOMENT,
        last_used_at=MOMENT,
    )
    pending = usual.model_copy(
        update={
            "name": LONG[:63],
            "pending": True,
            "repository": LONG,
            "workflow": "",
            "environment": "",
            "last_used_at": None,
        }
    )
    proof = PublisherProofRead(
        id=usual.id,
        kind=ProofKind.DOMAIN,
        subject="example.com",
        place="https://example.com/.well-known/slipway-publisher.txt",
        challenge="slipway-publisher=" + "Zk3q" * 8,
        state=ProofState.VERIFIED,
        problem=None,
        created_at=MOMENT,
        looked_at=MOMENT,
        verified_at=MOMENT,
    )
    waiting = {
        "state": ProofState.PENDING,
        "problem": "There is no host. " + LONG,
        "verified_at": None,
        "subject": LONG,
    }
    proofs = [proof, proof.model_copy(update=waiting)]
    errors = (FieldError("/asset", "'Acme' does not name an asset."), FieldError("/owner_id", "Fill this in."))
    audience = "https://slipway.example"
    return {
        "publishers": PublishersPage([usual, pending], proofs, known, first, audience, may_change=True, may_claim=True),
        "publishers-empty": PublishersPage(
            [], [], known, list(known.values())[1], audience, may_change=True, may_claim=True
        ),
        "publishers-errors": PublishersPage(
            [], [], known, first, audience, may_change=True, values={"asset": "Acme"}, errors=errors
        ),
        "publishers-read-only": PublishersPage([usual], proofs, known, first, audience, may_change=False),
    }
