"""HeartbeatService: processes say that they live and what they can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete

from catalog.heartbeats import queries
from catalog.heartbeats.models import Heartbeat

INTERVAL = timedelta(seconds=5)
FRESH = timedelta(seconds=20)
FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True)
class Readiness:
    """Whether an environment could be made now: ``missing`` names what stands in the way, with the fix."""

    capabilities: frozenset[str]
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Tell whether nothing is missing."""
        return not self.missing


NEEDED = {
    "relay": "No relay is running: start it with `slipway relay`.",
    "worker": "No worker is running: start one with `slipway work`.",
    "engine": "No worker has the Pulumi engine: run `slipway doctor` where the worker runs.",
    "target:local": "The process host of the local target is not running: start it with `slipway up`.",
}


class HeartbeatService:
    """Sessions may be of the system role (to write) or of the application role (to read)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def beat(
        self, process: str, kind: str, capabilities: Sequence[str], missing: Sequence[str], moment: datetime
    ) -> None:
        """Record a sign of life, and forget processes silent for an hour."""
        values = {"process": process, "kind": kind, "capabilities": list(capabilities), "missing": list(missing)}
        statement = insert(Heartbeat).values(**values, at=moment)
        changes = {name: statement.excluded[name] for name in ("kind", "capabilities", "missing", "at")}
        self._session.connection().execute(statement.on_conflict_do_update(index_elements=["process"], set_=changes))
        self._session.exec(delete(Heartbeat).where(col(Heartbeat.at) < moment - FORGOTTEN))

    def readiness(self, moment: datetime) -> Readiness:
        """Tell whether an environment could be made at ``moment``, judged by fresh heartbeats."""
        alive = queries.since(self._session, moment - FRESH)
        capabilities = frozenset(word for each in alive for word in each.capabilities)
        missing = [fix for word, fix in NEEDED.items() if word not in capabilities]
        reported = sorted({reason for each in alive for reason in each.missing})
        return Readiness(capabilities, tuple(missing + reported if missing else missing))
