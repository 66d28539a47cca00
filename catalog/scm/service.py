"""ScmService: a tenant's connections, the repositories it follows, hooks in, and repositories opened."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.db import Database
from catalog.errors import FieldError, InvalidInputError, NotFoundError, SlipwayError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.providers.scm import (
    Access,
    HookAction,
    HookEvent,
    PullRequest,
    Repository,
    Right,
    open_repository,
    provider_for,
    providers,
)
from catalog.scm import queries, rules
from catalog.scm.commands import parse_command
from catalog.scm.credentials import check_credentials, hook_path, server_of
from catalog.scm.errors import ConnectionExistsError, HookNotGenuineError
from catalog.scm.events import (
    PullRequestCommented,
    ScmConnectionCreated,
    ScmConnectionRemoved,
    ScmConnectionRotated,
    ScmHookReceived,
    ScmRepositoryFollowed,
)
from catalog.scm.models import (
    ConnectScm,
    HookReceived,
    ScmCondition,
    ScmConnection,
    ScmConnectionMade,
    ScmConnectionRead,
    ScmDelivery,
    ScmRepository,
    ScmRepositoryRead,
)
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

LOCAL = "local_git"
REMEMBERED = timedelta(days=7)
UNSEEN = timedelta(minutes=15)
"""After how long without a listing it is said on environments that their pull requests cannot be looked at."""
_NOT_GENUINE = "The secret or signature is not that of this connection. Set its secret at the provider, or rotate it."
LARGEST_HOOK = 25 * 1024 * 1024
"""The largest delivery that is read, in bytes: what GitHub caps its payloads at."""


class ScmService:
    """One unit of work on connections; everything happens in the session's transaction.

    Whoever locks several rows takes environments first (`catalog.environments.service`), then the connection, then a
    repository.
    """

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def connect(self, principal: Principal, request: ConnectScm) -> ScmConnectionMade:
        """Keep credentials for a server; raise ``InvalidInputError`` for a provider or server that is not known here.

        Servers beside the public ones are those of SLIPWAY_SCM_SERVERS: a tenant cannot make Slipway call elsewhere.
        """
        principal.require("tenants:admin")
        base_url = server_of(request.provider, request.base_url, self._settings.scm_servers)
        check_credentials(request.provider, request.credentials)
        if queries.named(self._session, principal.tenant_id, request.name) is not None:
            raise ConnectionExistsError(f"There is a connection called {request.name} already.")
        row = ScmConnection(
            tenant_id=principal.tenant_id,
            name=request.name,
            provider=request.provider,
            base_url=base_url,
            sealed_credentials="",
            sealed_hook_secrets="",
            hook_key=secrets.token_urlsafe(18),
            created_by=principal.name,
        )
        row.sealed_credentials = self._box().seal(_purpose(row, "credentials"), request.credentials)
        secret = self._new_secret(row, ())
        self._session.add(row)
        self._session.flush()
        self._tell(principal, row, ScmConnectionCreated(connection_id=row.id, provider=row.provider, base_url=base_url))
        return ScmConnectionMade(**self._read(row).model_dump(), hook_secret=secret)

    def all(self, tenant_id: UUID) -> list[ScmConnectionRead]:
        """Return the tenant's connections by name."""
        return [self._read(each) for each in queries.connections(self._session, tenant_id)]

    def get(self, tenant_id: UUID, connection_id: UUID) -> ScmConnectionRead:
        """Return one connection; raise ``NotFoundError`` where the tenant has none of that id."""
        return self._read(self._find(tenant_id, connection_id))

    def rotate(self, principal: Principal, connection_id: UUID) -> ScmConnectionMade:
        """Give a connection's hooks another secret; the one before stays good until the next rotation."""
        principal.require("tenants:admin")
        row = self._find(principal.tenant_id, connection_id, lock=True)
        secret = self._new_secret(row, self._hook_secrets(row)[:1])
        self._session.add(row)
        self._tell(principal, row, ScmConnectionRotated(connection_id=row.id, what="hook_secret"))
        return ScmConnectionMade(**self._read(row).model_dump(), hook_secret=secret)

    def replace_credentials(
        self, principal: Principal, connection_id: UUID, credentials: Mapping[str, str]
    ) -> ScmConnectionRead:
        """Keep other credentials in place of those that a connection has."""
        principal.require("tenants:admin")
        row = self._find(principal.tenant_id, connection_id, lock=True)
        row.sealed_credentials = self._box().seal(_purpose(row, "credentials"), dict(credentials))
        row.problem = None
        self._session.add(row)
        self._tell(principal, row, ScmConnectionRotated(connection_id=row.id, what="credentials"))
        return self._read(row)

    def disconnect(self, principal: Principal, connection_id: UUID) -> None:
        """Forget credentials and secrets; the repositories followed through them are followed no longer."""
        principal.require("tenants:admin")
        row = self._find(principal.tenant_id, connection_id, lock=True)
        self._tell(principal, row, ScmConnectionRemoved(connection_id=row.id))
        self._session.delete(row)

    def follow(self, principal: Principal, connection_id: UUID, address: str) -> ScmRepositoryRead:
        """Look at a repository's pull requests from now on; following it again changes nothing."""
        principal.require("tenants:admin")
        row = self._find(principal.tenant_id, connection_id, lock=True)
        try:
            normal = providers()[row.provider].normalise(address, self._settings)
            self.opened_through(row, normal)
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/address", error.detail)]) from None
        present = queries.at(self._session, principal.tenant_id, normal)
        if present is not None and present.connection_id != row.id:
            raise ConnectionExistsError(f"{normal} is followed through another connection.")
        if present is None:
            present = ScmRepository(tenant_id=row.tenant_id, connection_id=row.id, address=normal)
            self._session.add(present)
            self._session.flush()
            self._tell(principal, row, ScmRepositoryFollowed(repository_id=present.id, address=normal))
        return _repository(present)

    def note(self, tenant_id: UUID, address: str) -> None:
        """Follow a repository that something of the tenant's depends on, where the tenant has a connection for it."""
        if queries.at(self._session, tenant_id, address) is not None:
            return
        found = self._connected(tenant_id, address)
        if found is not None:
            row = ScmRepository(tenant_id=tenant_id, connection_id=found[0].id, address=found[1])
            queries.note_repository(self._session, row)

    def open(self, tenant_id: UUID, address: str) -> Repository:
        """Open a repository with the tenant's rights at its server.

        Raises ``InvalidInputError`` where it is neither on this machine nor at a server that the tenant connected:
        asked as anybody, a server would soon have answered enough.
        """
        found = self._connected(tenant_id, address)
        if found is not None:
            return self.opened_through(*found)
        provider = provider_for(address)
        if provider.name != LOCAL:
            fix = "Make one with `slipway scm connect`, or POST /api/v1/scm/connections."
            detail = f"{address[:200]} takes a connection. {fix}"
            raise InvalidInputError(detail)
        return open_repository(address, self._settings)

    def is_connected(self, tenant_id: UUID, address: str) -> bool:
        """Tell whether the tenant has credentials for the server of a repository."""
        return self._connected(tenant_id, address) is not None

    def _connected(self, tenant_id: UUID, address: str) -> tuple[ScmConnection, str] | None:
        """Return the connection that reaches an address most closely, and the address as its provider spells it."""
        rows = queries.connections(self._session, tenant_id)
        for row in sorted(rows, key=lambda each: len(each.base_url), reverse=True):
            try:
                normal = providers()[row.provider].normalise(address, self._settings)
            except SlipwayError:
                continue
            if normal.startswith(f"{row.base_url}/"):
                return row, normal
        return None

    def opened_through(self, row: ScmConnection, address: str) -> Repository:
        """Open a repository with the credentials of a connection."""
        credentials = self._box().open(_purpose(row, "credentials"), row.sealed_credentials)
        return providers()[row.provider].open(address, Access(row.base_url, credentials), self._settings)

    def repository(self, tenant_id: UUID, repository_id: UUID) -> Repository | None:
        """Open a repository that is followed; None where it is not, any more."""
        row = queries.repository(self._session, tenant_id, repository_id)
        if row is None:
            return None
        return self.opened_through(self._find(tenant_id, row.connection_id), row.address)

    def listed(
        self,
        tenant_id: UUID,
        repository_id: UUID,
        pulls: Sequence[PullRequest],
        conditions: Sequence[ScmCondition],
        asked_at: datetime,
    ) -> bool:
        """Take down a complete listing, and append what happened since the one before as events.

        Returns False, and changes nothing, where one that was asked for later was taken down already.
        """
        row = queries.repository(self._session, tenant_id, repository_id, lock=True)
        if row is None or (row.polled_at is not None and row.polled_at > asked_at):
            return False
        after = rules.snapshot(pulls)
        found = rules.differences(row.id, row.address, row.pulls, after)
        row.pulls, row.polled_at = after, asked_at
        row.poll_at = now() + timedelta(seconds=self._settings.scm_poll_seconds)
        row.conditions = [each.model_dump() for each in conditions]
        self._session.add(row)
        for each in found:
            self._append(tenant_id, f"scm/repositories/{row.id}", each, "system")
        return True

    def listed_at(self, tenant_id: UUID, repository_id: UUID) -> datetime | None:
        """Return when the newest listing of a repository that was taken down was asked for."""
        return queries.polled_at(self._session, tenant_id, repository_id)

    def not_listed(self, tenant_id: UUID, repository_id: UUID, problem: str, again_after: timedelta) -> bool:
        """Take down why a repository could not be listed. What is known of its pull requests stays as it was.

        Returns whether it has been so for long.
        """
        row = queries.repository(self._session, tenant_id, repository_id, lock=True)
        if row is None:
            return False
        others = [each for each in row.conditions if each["type"] != "Listed"]
        row.conditions = [*others, ScmCondition(type="Listed", status=False, message=problem[:500]).model_dump()]
        row.poll_at = now() + again_after
        self._session.add(row)
        return now() - (row.polled_at or row.created_at) > UNSEEN

    @staticmethod
    def due(session: Session, limit: int) -> list[queries.DueRepository]:
        """Return the repositories of all tenants that are to be listed; needs a session of the system role."""
        return queries.due(session, now(), limit)

    def receive(self, tenant_id: UUID, connection_id: UUID, headers: Mapping[str, str], body: bytes) -> HookReceived:
        """Take a delivery: genuine, new, and of a repository that is followed, it hastens the next look.

        Raises ``HookNotGenuineError`` before anything of it is read, ``InvalidInputError`` for what is no delivery.
        """
        row = self._find(tenant_id, connection_id, lock=True)
        provider = providers()[row.provider]
        if not provider.hook_is_genuine(headers, body, self._hook_secrets(row)):
            raise HookNotGenuineError(_NOT_GENUINE)
        delivery = provider.parse_hook(headers, body)
        noted = ScmDelivery(tenant_id=tenant_id, connection_id=row.id, delivery=delivery.id)
        if not queries.note_delivery(self._session, noted):
            return HookReceived(delivery=delivery.id, repositories=0)
        queries.forget_deliveries(self._session, tenant_id, row.id, now() - REMEMBERED)
        row.used_at = now()
        self._session.add(row)
        return HookReceived(delivery=delivery.id, repositories=sum(self._hasten(row, each) for each in delivery.events))

    def _hasten(self, connection: ScmConnection, told: HookEvent) -> int:
        found = queries.at(self._session, connection.tenant_id, told.repository)
        row = queries.repository(self._session, connection.tenant_id, found.id, lock=True) if found else None
        if row is None or row.connection_id != connection.id:
            return 0
        subject = f"scm/repositories/{row.id}"
        if told.action is not HookAction.COMMENTED:
            row.poll_at = now()
            self._session.add(row)
            data = ScmHookReceived(repository_id=row.id, action=told.action.value)
            self._append(row.tenant_id, subject, data, "system")
            return 1
        command = None if told.is_bot else parse_command(told.comment)
        if command is None or told.pull_request is None:
            return 0
        commented = PullRequestCommented(
            repository_id=row.id,
            repository=row.address,
            pull_request=told.pull_request,
            comment_id=told.comment_id,
            author=told.author,
            command=command.line,
        )
        self._append(row.tenant_id, subject, commented, "system")
        return 1

    def _new_secret(self, row: ScmConnection, before: Sequence[str]) -> str:
        secret = secrets.token_urlsafe(32)
        row.sealed_hook_secrets = self._box().seal(_purpose(row, "hooks"), [secret, *before])
        return secret

    def _hook_secrets(self, row: ScmConnection) -> list[str]:
        found: list[str] = self._box().open(_purpose(row, "hooks"), row.sealed_hook_secrets)
        return found

    def _box(self) -> SecretBox:
        return SecretBox(self._settings)

    def _find(self, tenant_id: UUID, connection_id: UUID, *, lock: bool = False) -> ScmConnection:
        row = queries.connection(self._session, tenant_id, connection_id, lock=lock)
        if row is None:
            raise NotFoundError(f"There is no connection {connection_id}.")
        return row

    def _read(self, row: ScmConnection) -> ScmConnectionRead:
        followed = queries.repositories(self._session, row.tenant_id, row.id)
        return ScmConnectionRead(
            **row.model_dump(include=set(ScmConnectionRead.model_fields)),
            hook_url=f"{self._settings.base_url}{hook_path(row.provider)}?connection={row.hook_key}",
            repositories=[_repository(each) for each in followed],
        )

    def _tell(self, principal: Principal, row: ScmConnection, data: EventData) -> None:
        subject = f"scm/connections/{row.id}"
        self._append(row.tenant_id, subject, data, principal.actor)
        action = f"scm.{type(data).__name__.removeprefix('Scm').lower()}"
        detail = {"name": row.name, "provider": row.provider}
        TenantService(self._session).audit(row.tenant_id, principal.actor, action, subject, detail)

    def _append(self, tenant_id: UUID, subject: str, data: EventData, actor: str) -> None:
        outbox.append(self._session, data, tenant_id=tenant_id, subject=subject, actor=actor)


def receive_hook(
    database: Database, settings: Settings, hook_key: str, headers: Mapping[str, str], body: bytes
) -> HookReceived:
    """Take a delivery that names its connection by ``hook_key``, and no tenant.

    A key that is nobody's answers as a wrong signature does.
    """
    with database.tenant_session(None) as session:
        found = queries.connection_of_hook(session, hook_key)
    if found is None:
        raise HookNotGenuineError(_NOT_GENUINE)
    tenant_id, connection_id = found
    with database.tenant_session(tenant_id) as session:
        return ScmService(session, settings).receive(tenant_id, connection_id, headers, body)


def is_local(address: str) -> bool:
    """Tell whether an address is that of a repository on this machine; servers may be known to tenants alone."""
    return providers()[LOCAL].claims(address)


def conditions_of(repository: Repository) -> list[ScmCondition]:
    """Ask a provider what may be done in a repository: each right as a condition, those that are missing with a fix."""
    about = repository.about()
    rights = [
        ScmCondition(type=f"Right:{right}", status=right in about.rights, message=about.missing.get(right, ""))
        for right in Right
    ]
    return [ScmCondition(type="Listed", status=True), *rights]


def _repository(row: ScmRepository) -> ScmRepositoryRead:
    return ScmRepositoryRead(
        id=row.id,
        address=row.address,
        open_pull_requests=len(row.pulls),
        conditions=[ScmCondition.model_validate(each) for each in row.conditions],
        polled_at=row.polled_at,
    )


def _purpose(row: ScmConnection, what: str) -> str:
    return f"scm_connections/{row.id}/{what}"
