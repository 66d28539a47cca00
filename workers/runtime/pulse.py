"""The heartbeats of a process: that it lives, what it can do and what it lacks."""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from catalog.clock import now
from catalog.db import Database
from catalog.heartbeats.service import INTERVAL, HeartbeatService

log = logging.getLogger(__name__)

Abilities = Callable[[], tuple[Sequence[str], Sequence[str]]]


class Pulse:
    """Writes a heartbeat every few seconds; ``abilities`` returns what the process can do and what it lacks."""

    def __init__(self, database: Database, kind: str, abilities: Abilities) -> None:
        self._database = database
        self._kind = kind
        self._abilities = abilities
        self._process = f"{kind}:{socket.gethostname()}:{os.getpid()}"
        self._beat_at = float("-inf")

    def beat_if_due(self) -> None:
        """Write a heartbeat where the last one is old enough; a database that cannot be reached is left for later."""
        if time.monotonic() - self._beat_at < INTERVAL.total_seconds():
            return
        capabilities, missing = self._abilities()
        try:
            with self._database.system_session() as session:
                HeartbeatService(session).beat(self._process, self._kind, capabilities, missing, now())
        except SQLAlchemyError as error:
            log.warning("the heartbeat could not be written: %s", type(error).__name__)
        else:
            self._beat_at = time.monotonic()
