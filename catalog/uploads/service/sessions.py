"""Publishing sessions: versions of several assets that come out together, or not at all."""

from collections.abc import Sequence
from uuid import UUID

from catalog.assets.errors import SecondPersonNeededError
from catalog.assets.models import VersionState
from catalog.clock import now
from catalog.errors import ConflictError, FieldError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.tenancy import Principal
from catalog.uploads import queries
from catalog.uploads.errors import SessionNotReadyError
from catalog.uploads.events import PublishingSessionEnded, PublishingSessionOpened
from catalog.uploads.models import (
    OpenPublishingSession,
    PublishingSession,
    PublishingSessionRead,
    SessionMember,
    SessionState,
    UploadState,
)
from catalog.uploads.service.checking import Checking


class Sessions(Checking):
    """What a publisher does with several assets at once."""

    def open_session(self, principal: Principal, request: OpenPublishingSession) -> PublishingSessionRead:
        """Open a session; archives that are sent with its id are held as drafts until it is published."""
        principal.require("assets:write")
        opened = PublishingSession(tenant_id=principal.tenant_id, title=request.title, opened_by=principal.name)
        self._session.add(opened)
        self._session.flush()
        self._announce(principal, opened, PublishingSessionOpened(session_id=opened.id, title=opened.title))
        return self._read_session(opened)

    def sessions(self, tenant_id: UUID, limit: int = 50) -> Sequence[PublishingSessionRead]:
        """Return the tenant's sessions, newest first."""
        return [self._read_session(each) for each in queries.publishing_sessions(self._session, tenant_id, limit)]

    def publishing_session(self, tenant_id: UUID, session_id: UUID) -> PublishingSessionRead:
        """Return one session; raise ``NotFoundError`` where the tenant has none of that id."""
        return self._read_session(self._find_session(tenant_id, session_id))

    def submit_session(self, principal: Principal, session_id: UUID, comment: str = "") -> PublishingSessionRead:
        """Ask for a second person to publish all that is in the session; nothing more is taken in."""
        found = self._ready(principal, session_id, {SessionState.OPEN})
        for each in self._members(found):
            if each.version_state is VersionState.DRAFT:
                self._assets.submit(principal, each.namespace, each.name, each.version, comment)
        found.state = SessionState.IN_REVIEW
        self._session.add(found)
        self._session.flush()
        return self._read_session(found)

    def publish_session(self, principal: Principal, session_id: UUID, comment: str = "") -> PublishingSessionRead:
        """Publish all that is in the session in this transaction.

        Raises ``SessionNotReadyError`` naming every member that keeps it from being published, and whatever
        ``AssetService.put_out`` raises: then nothing is published.
        """
        found = self._ready(principal, session_id, {SessionState.OPEN, SessionState.IN_REVIEW})
        members = self._members(found)
        reviewed = sorted(
            {each.namespace for each in members if self._assets.review_required(found.tenant_id, each.namespace)}
        )
        if found.state is SessionState.OPEN and reviewed:
            raise SecondPersonNeededError(f"{', '.join(reviewed)} asks for a review. Submit the session for it.")
        for each in members:
            if each.version_state in {VersionState.DRAFT, VersionState.IN_REVIEW}:
                self._assets.put_out(principal, each.namespace, each.name, each.version, comment)
        return self._end(principal, found, SessionState.PUBLISHED)

    def discard_session(self, principal: Principal, session_id: UUID) -> PublishingSessionRead:
        """Throw the session and every draft in it away."""
        principal.require("assets:write")
        found = self._find_session(principal.tenant_id, session_id, lock=True)
        if found.state in {SessionState.PUBLISHED, SessionState.DISCARDED}:
            raise ConflictError(f"The session {found.title} is {found.state}.")
        for each in self._members(found):
            if each.version_state is VersionState.IN_REVIEW:
                self._assets.withdraw(principal, each.namespace, each.name, each.version, "The session is discarded.")
            if each.version_state in {VersionState.DRAFT, VersionState.IN_REVIEW}:
                self._assets.discard(principal, each.namespace, each.name, each.version)
        return self._end(principal, found, SessionState.DISCARDED)

    def _ready(self, principal: Principal, session_id: UUID, states: set[SessionState]) -> PublishingSession:
        principal.require("assets:write")
        found = self._find_session(principal.tenant_id, session_id, lock=True)
        if found.state not in states:
            raise ConflictError(f"The session {found.title} is {found.state.value.replace('_', ' ')}.")
        members = self._members(found)
        problems = [
            FieldError(f"/members/{index}", f"{each.namespace}/{each.name} {each.version}: {problem}")
            for index, each in enumerate(members)
            if (problem := _problem(each))
        ]
        if not members:
            problems = [FieldError("/members", "Nothing is in the session yet: publish something with its id.")]
        if problems:
            raise SessionNotReadyError("The session cannot be published as it is; nothing was.", problems)
        return found

    def _end(self, principal: Principal, found: PublishingSession, state: SessionState) -> PublishingSessionRead:
        found.state, found.ended_at = state, now()
        self._session.add(found)
        self._session.flush()
        read = self._read_session(found)
        versions = [f"{each.namespace}/{each.name}=={each.version}" for each in read.members]
        ended = PublishingSessionEnded(session_id=found.id, title=found.title, outcome=state, versions=versions)
        self._announce(principal, found, ended)
        return read

    def _announce(self, principal: Principal, found: PublishingSession, data: EventData) -> None:
        subject = f"uploads/sessions/{found.id}"
        outbox.append(self._session, data, tenant_id=found.tenant_id, subject=subject, actor=principal.actor)

    def _find_session(self, tenant_id: UUID, session_id: UUID, *, lock: bool = False) -> PublishingSession:
        found = queries.publishing_session(self._session, tenant_id, session_id, lock=lock)
        if found is None:
            raise NotFoundError(f"There is no publishing session {session_id}.")
        return found

    def _members(self, found: PublishingSession) -> list[SessionMember]:
        """Return what is in a session: the last upload of each version."""
        return [
            SessionMember(
                upload=upload.id,
                namespace=upload.namespace,
                name=upload.name,
                version=upload.version,
                kind=upload.kind,
                upload_state=upload.state,
                version_state=state,
                operation_id=upload.operation_id,
            )
            for upload, state in queries.session_members(self._session, found.tenant_id, found.id)
        ]

    def _read_session(self, found: PublishingSession) -> PublishingSessionRead:
        return PublishingSessionRead.model_validate({**found.model_dump(), "members": self._members(found)})


def _problem(member: SessionMember) -> str:
    if member.upload_state in {UploadState.RECEIVED, UploadState.CHECKED}:
        return "its checks are not over yet."
    if member.upload_state is UploadState.REJECTED:
        return "it was rejected. Send it again, corrected."
    if member.version_state is None:
        return "it was thrown away. Send it again, or leave it out in a new session."
    return ""
