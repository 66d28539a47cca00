"""Reads of heartbeats."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from catalog.heartbeats.models import Heartbeat


def since(session: Session, moment: datetime) -> Sequence[Heartbeat]:
    """Return the processes that gave a sign of life at or after ``moment``."""
    return session.exec(select(Heartbeat).where(col(Heartbeat.at) >= moment).order_by(Heartbeat.process)).all()
