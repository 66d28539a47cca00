"""The composition of gates: what every session that may change the world is opened with."""

from uuid import UUID

from sqlmodel import Session

from catalog.db import Database
from catalog.gating import GatePoint, Verdict
from catalog.settings import Settings


class PolicyGate:
    """Asks the policies that are bound in a tenant."""

    def ask(self, _session: Session, _tenant_id: UUID, _point: GatePoint, _subject: str, _actor: str) -> Verdict:
        """Return what policies say: nothing can be bound yet, so everything is allowed."""
        return Verdict(allowed=True)


def open_database(settings: Settings) -> Database:
    """Return the ways into the database whose sessions lead through the gates."""
    return Database(settings, PolicyGate())
