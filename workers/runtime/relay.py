"""The relay: brings events from the outbox to the queue, in order and fairly, and starts periodic jobs.

Run it as ``python -m workers.runtime.relay``. Several may run at once; one works while the others stand by.
"""

import logging
import signal
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import redis
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from catalog.db import Database
from catalog.deliveries import relaying, schedules
from catalog.events.outbox import CHANNEL
from catalog.settings import Settings, load_settings
from workers.runtime import logs
from workers.runtime.pulse import Pulse
from workers.runtime.queue import Queue, Send, open_broker
from workers.runtime.registry import Registry, discover_workers

WAITING_FOR_EACH = 4
"""How many messages wait for each job that a process may run of a queue with a bound: its jobs are slow, so these are
work for long, and whoever comes late waits for no more than them."""

log = logging.getLogger(__name__)
_NOTHING_DUE = relaying.Pause(None, crowded=False)


@dataclass(frozen=True)
class RelayOptions:
    """``window`` is how many messages of one queue may be sent and not yet taken up; ``sweep`` the longest pause.

    While one of the queues is full, the relay looks again after ``crowded_pause``, and ever later, up to
    ``crowded_longest``, as long as no place is free: what is sent keeps workers busy meanwhile.
    """

    batch: int = 500
    window: int = 64
    sweep: timedelta = timedelta(seconds=1)
    crowded_pause: timedelta = timedelta(milliseconds=20)
    crowded_longest: timedelta = timedelta(milliseconds=160)
    sent_lease: timedelta = relaying.SENT_LEASE
    calm: timedelta = relaying.Courtesy.calm
    longest_patience: timedelta = relaying.Courtesy.longest
    keep_done: timedelta = timedelta(days=7)
    keep_events: timedelta = timedelta(days=90)
    clean_every: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Round:
    """What one round did and how long nothing is due after it; ``ours`` is False where another relay was at work."""

    ours: bool
    relayed: int = 0
    sent: int = 0
    pause: relaying.Pause = _NOTHING_DUE

    @property
    def idle(self) -> bool:
        """Tell whether there was nothing to do."""
        return not self.ours or self.relayed + self.sent == 0


class Relay:
    """Moves what is due, one round at a time; ``run`` does so until told to stop."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        registry: Registry,
        queue: Queue,
        options: RelayOptions | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._registry = registry
        self._queue = queue
        self._options = options or RelayOptions()
        self._queues = registry.queues
        self._subscriptions = registry.subscriptions
        self._intervals = registry.intervals(settings)
        bounds = {queue: held * WAITING_FOR_EACH for queue, held in registry.concurrency.items()}
        self._window = relaying.Window(self._options.window, bounds)
        awaited, patient = registry.awaited, registry.patient
        self._courtesy = relaying.Courtesy(awaited, patient, self._options.calm, self._options.longest_patience)
        self._crowded = self._options.crowded_pause
        self._schedules_known = False
        self._cleaned_at = time.monotonic()

    def round(self, *, periodic: bool = True) -> Round:
        """Relay what was committed and send what is due; errors of database and queue pass through, nothing is lost."""
        with self._database.system_session() as session:
            if not relaying.take_turn(session):
                return Round(ours=False)
            relayed = relaying.expand(session, self._subscriptions, self._options.batch)
        with self._database.system_session() as session:
            if not relaying.take_turn(session):
                return Round(ours=False, relayed=relayed)
            # A crash of the database may forget what was sent: it is sent again then.
            session.execute(text("SET LOCAL synchronous_commit = off"))
            lost = relaying.reclaim(session)
            if lost:
                log.warning("sending again what nobody finished: %s", list(lost))
            messages = self._due_runs(session) if periodic else []
            messages += self._due_deliveries(session)
            self._queue.send(messages)
            pause = relaying.pause(session, self._queues, self._window, self._courtesy)
        self._schedules_known = self._schedules_known or periodic
        return Round(ours=True, relayed=relayed, sent=len(messages), pause=pause)

    def run(self, stop: threading.Event, pulse: Pulse | None = None) -> None:
        """Work until ``stop`` is set, outliving restarts of the database and of the queue."""
        while not stop.is_set():
            try:
                with psycopg.connect(listen_address(self._settings), autocommit=True) as listener:
                    listener.execute(f"LISTEN {CHANNEL}".encode())
                    log.info("relaying")
                    self._work(listener, stop, pulse)
            except (psycopg.Error, SQLAlchemyError, redis.RedisError) as error:
                log.warning("interrupted, and trying again: %s", type(error).__name__)
                stop.wait(0.3)

    def _work(self, listener: psycopg.Connection, stop: threading.Event, pulse: Pulse | None) -> None:
        while not stop.is_set():
            done = self.round()
            if not done.idle:
                self._crowded = self._options.crowded_pause
            if done.relayed >= self._options.batch:
                continue  # there may be more; whatever else comes meanwhile is notified of
            if pulse is not None:
                pulse.beat_if_due()
            self._clean_if_due()
            for _ in listener.notifies(timeout=self._seconds(done.pause), stop_after=1):
                pass

    def _seconds(self, pause: relaying.Pause) -> float:
        longest = self._options.sweep.total_seconds()
        if pause.crowded:
            found, self._crowded = self._crowded, min(self._crowded * 2, self._options.crowded_longest)
            return found.total_seconds()
        if pause.held_back:
            longest = min(longest, self._options.calm.total_seconds())
        if pause.seconds is None:
            return longest
        return max(0.005, min(longest, pause.seconds))

    def seconds_to_retry(self) -> float | None:
        """Return in how many seconds the next retry is due, or None where none is waited for."""
        with self._database.system_session() as session:
            return relaying.seconds_to_retry(session, list(self._queues))

    def _due_runs(self, session: Session) -> list[Send]:
        if not self._intervals:
            return []
        if not self._schedules_known:
            schedules.add(session, list(self._intervals))
        due = schedules.hand_out(session, self._intervals, self._options.sent_lease)
        return [Send(self._queues[each.job], each.job, f"{each.job}.{each.run}", {"run": each.run}) for each in due]

    def _due_deliveries(self, session: Session) -> list[Send]:
        due = relaying.hand_out(session, self._queues, self._window, self._options.sent_lease, self._courtesy)
        return [
            Send(
                queue=self._queues[each.job],
                job=each.job,
                identity=f"{each.delivery_id}.{each.attempt}",
                arguments={"delivery_id": each.delivery_id, "attempt": each.attempt},
                again=each.again,
            )
            for each in due
        ]

    def _clean_if_due(self) -> None:
        options = self._options
        if time.monotonic() - self._cleaned_at < options.clean_every.total_seconds():
            return
        with self._database.system_session() as session:
            gone = relaying.sweep(session, options.keep_done, options.keep_events, options.batch)
        if gone < options.batch:
            self._cleaned_at = time.monotonic()


def listen_address(settings: Settings) -> str:
    """Return the address of the system role in the form that libpq reads."""
    return make_url(settings.system_url).set(drivername="postgresql").render_as_string(hide_password=False)


def main() -> None:
    """Run a relay until SIGTERM or SIGINT."""
    settings = load_settings()
    logs.configure(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    database = Database(settings.model_copy(update={"database_pool_size": 2}))
    registry = discover_workers()
    broker = open_broker(settings, [], {})
    relay = Relay(settings, database, registry, broker)
    pulse = Pulse(database, "relay", lambda: (["relay"], []))
    try:
        relay.run(stop, pulse)
    finally:
        broker.close()
        database.close()


if __name__ == "__main__":
    main()
