"""The pages of versions that are not out yet: full, empty, refused, and sessions in their states."""

from datetime import UTC, datetime
from uuid import UUID

from catalog.assets.models import VersionState
from catalog.errors import FieldError
from catalog.uploads.models import PublishingSessionRead, SessionMember, SessionState, UploadState
from portal.pages.drafts import DraftsPage, HeldVersion, PublishingSessionPage
from portal.pages.render import Page

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"


def held(state: VersionState, verbs: list[tuple[str, str]], name: str = "preview", note: str = "") -> HeldVersion:
    """Return one version that is not out."""
    return HeldVersion(
        f"acme/{name}", "1.4.0", "deployment-blueprint", state, "Ann", "Please look.", MOMENT, verbs, note
    )


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    members = [
        SessionMember(
            upload=ID,
            namespace="acme",
            name=name,
            version="2.0.0",
            kind="component-package",
            upload_state=upload,
            version_state=version,
            operation_id=None,
        )
        for name, upload, version in [
            ("network", UploadState.HELD, VersionState.DRAFT),
            (LONG[:63], UploadState.REJECTED, None),
        ]
    ]
    session = PublishingSessionRead(
        id=ID,
        title="Network 2",
        state=SessionState.OPEN,
        opened_by="Ann",
        created_at=MOMENT,
        ended_at=None,
        members=members,
    )
    ended = session.model_copy(update={"state": SessionState.PUBLISHED, "ended_at": MOMENT, "title": LONG})
    every = [("publish", "Publish"), ("submit", "Submit for review"), ("discard", "Throw away")]
    versions = [
        held(VersionState.DRAFT, every),
        held(VersionState.DRAFT, every, LONG[:63]),
        held(VersionState.IN_REVIEW, [("publish", "Approve"), ("withdraw", "Return to draft")], "network"),
        held(VersionState.IN_REVIEW, [], "own", "Somebody else has to approve it."),
    ]
    errors = (FieldError("/members/1", "acme/x 2.0.0: it was rejected. Send it again, corrected."),)
    return {
        "drafts": DraftsPage(
            versions, [session], {"acme": True, "tools": False}, may_publish=True, may_administer=True
        ),
        "drafts-empty": DraftsPage([], [], {}, may_publish=False, may_administer=False),
        "drafts-problem": DraftsPage(
            versions[:1], [], {"acme": True}, may_publish=True, may_administer=False, problem="acme asks for a review."
        ),
        "session": PublishingSessionPage(session, may_publish=True),
        "session-refused": PublishingSessionPage(
            session, may_publish=True, problem="It cannot be published.", errors=errors
        ),
        "session-empty": PublishingSessionPage(session.model_copy(update={"members": []}), may_publish=True),
        "session-ended": PublishingSessionPage(ended, may_publish=True),
    }
