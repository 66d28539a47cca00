"""The request's unit of work: one session, bound to the caller's tenant, committed before the answer leaves."""

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from sqlmodel import Session

from catalog.db import Database
from catalog.errors import UnauthorizedError
from catalog.gating import PolicyRefusedError, keep_refusal
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.idempotency import Claim, claim_of, record_answer
from portal.threads import Threads

Connection = ASGIConnection[Any, Any, Any, Any]
WebRequest = Request[Any, Any, Any]


async def provide_session(request: WebRequest) -> AsyncGenerator[Session, None]:
    """Open the request's session (no SQL runs yet), commit it after the handler, roll it back when that raised."""
    principal: Principal | None = request.scope.get("user")
    threads = provide_threads(request)
    session = provide_database(request).open(principal.tenant_id if principal else None)
    try:
        yield session
    except PolicyRefusedError as refusal:
        await threads.end(_refuse, session, refusal)
        raise
    except BaseException:
        await threads.end(session.close)
        raise
    await threads.end(_commit, session, claim_of(request.scope))


def _refuse(session: Session, refusal: PolicyRefusedError) -> None:
    with session:
        keep_refusal(session, refusal)


def _commit(session: Session, claim: Claim | None) -> None:
    with session:
        if claim is not None:
            record_answer(session, claim)
        session.commit()
    if claim is not None:
        claim.kept = claim.answer is not None


def provide_principal(request: WebRequest) -> Principal:
    """Return who is calling; raise ``UnauthorizedError`` where nobody has signed in."""
    principal: Principal | None = request.scope.get("user")
    if principal is None:
        raise UnauthorizedError("Sign in, or give a token in the header Authorization: Bearer slw_...")
    return principal


def provide_settings(request: WebRequest) -> Settings:
    """Return the settings that the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


def provide_database(request: WebRequest) -> Database:
    """Return the ways into the database, for the few handlers whose work is more than one transaction."""
    database: Database = request.app.state.database
    return database


def provide_threads(request: WebRequest) -> Threads:
    """Return where asynchronous handlers run blocking work."""
    threads: Threads = request.app.state.threads
    return threads


DEPENDENCIES = {
    "session": Provide(provide_session),
    "principal": Provide(provide_principal, sync_to_thread=False),
    "settings": Provide(provide_settings, sync_to_thread=False),
    "database": Provide(provide_database, sync_to_thread=False),
    "threads": Provide(provide_threads, sync_to_thread=False),
}
"""What any handler may ask for by the name of an argument; the types to annotate them with follow."""

OpenSession = NamedDependency[Session]
Caller = NamedDependency[Principal]
AppSettings = NamedDependency[Settings]
AppDatabase = NamedDependency[Database]
AppThreads = NamedDependency[Threads]
