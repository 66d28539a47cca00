"""Waking who waits in another process: told with the commit, once for each thing, whatever the transaction did."""

from collections.abc import Callable

from sqlalchemy import event, text
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session

_KEY = "slipway.waking"
_TOLD = "slipway.told"
LISTENER = "slipway.listener"
"""Where a session's ``info`` has whom this process itself tells, with channel and payload, right after a commit."""
Listener = Callable[[str, str], None]
_TELL = text(
    "SELECT pg_notify(channel, payload) "
    "FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS told (channel, payload)"
)
_Wanted = tuple[SessionTransaction | None, dict[tuple[str, str], None]]


def wake(session: Session, channel: str, payload: str = "") -> None:
    """Notify who listens on ``channel`` when, and only if, the session's transaction commits.

    The database drops repetitions within a transaction, so asking it once, at the end, says the same with fewer
    questions. What a savepoint took back may be told of still: who is woken looks at what is there.
    """
    transaction = session.get_transaction()
    wanted: _Wanted | None = session.info.get(_KEY)
    if wanted is None or wanted[0] is not transaction:
        session.info[_KEY] = wanted = (transaction, {})
    wanted[1][channel, payload] = None


@event.listens_for(Session, "before_commit")
def _tell(session: Session) -> None:
    if session.in_nested_transaction():
        return
    wanted: _Wanted | None = session.info.pop(_KEY, None)
    session.info.pop(_TOLD, None)
    if wanted is not None and wanted[0] is session.get_transaction():
        channels, payloads = zip(*wanted[1], strict=True)
        session.connection().execute(_TELL, {"channels": list(channels), "payloads": list(payloads)})
        session.info[_TOLD] = list(wanted[1])


@event.listens_for(Session, "after_commit")
def _tell_listener(session: Session) -> None:
    """Tell whoever listens in this process: what PostgreSQL tells it comes a moment later, maybe after an answer."""
    listener: Listener | None = session.info.get(LISTENER)
    for channel, payload in session.info.pop(_TOLD, ()):
        if listener is not None:
            listener(channel, payload)
