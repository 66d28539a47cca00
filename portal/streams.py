"""Live streams of operations: one LISTEN connection per process, fanned out to everybody who follows."""

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import psycopg
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from catalog.db import Database
from catalog.events.outbox import CHANNEL as EVENTS
from catalog.operations.models import OperationEventRead, OperationState
from catalog.operations.service import CHANNEL, FINAL, OperationService
from catalog.settings import Settings
from portal.changes import Changes
from portal.threads import Threads

LOG = logging.getLogger("slipway.portal.streams")
HEARTBEAT_SECONDS = 10.0
POLL_SECONDS = 1.0
PAUSE_SECONDS = 1.0
LONGEST_SECONDS = 30 * 60.0
"""A stream ends after this and the reader comes back, so that a revoked token does not read on for ever."""
_BATCH = 200
_PROBE_SECONDS = 20.0
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 5.0


@dataclass(frozen=True)
class Silence:
    """Nothing happened for a while; sent as a comment, so that both ends know that the other is there."""


@dataclass(frozen=True)
class End:
    """The operation is final and everything was told."""

    state: OperationState


Told = OperationEventRead | Silence | End
Followers = defaultdict[UUID, set[asyncio.Event]]
Wait = Callable[[float], Awaitable[bool]]


class OperationStreams:
    """Tells followers what happens to operations, woken by PostgreSQL; without that connection it polls."""

    def __init__(self, settings: Settings, database: Database, threads: Threads) -> None:
        url = make_url(settings.database_url).set(drivername="postgresql")
        self._conninfo = url.render_as_string(hide_password=False)
        self._database = database
        self._threads = threads
        self._followers: Followers = defaultdict(set)
        self._enders: Followers = defaultdict(set)
        self._waiting: set[asyncio.Event] = set()
        self.followers_of_logs: Counter[UUID] = Counter()
        self.changes = Changes()
        self._is_closing = False

    async def listen(self) -> None:
        """Keep the one LISTEN connection open, for as long as the process lives."""
        delay = _FIRST_DELAY
        self._is_closing = False
        while True:
            was_listening = False
            try:
                await self._listen_once()
            except (psycopg.Error, OSError) as error:
                LOG.warning("listening for operations was interrupted, streams poll meanwhile: %s", error)
            finally:
                was_listening, self.changes.is_heard_of = self.changes.is_heard_of, False
                self._wake_all()
            delay = _FIRST_DELAY if was_listening else min(delay * 2, _LONGEST_DELAY)
            await asyncio.sleep(delay)

    async def _listen_once(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=5)
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            await connection.execute(f"LISTEN {EVENTS}")
            self._wake_all()  # what was notified while nobody listened
            self.changes.is_heard_of = True
            while True:
                async for notification in connection.notifies(timeout=_PROBE_SECONDS):
                    if notification.channel == EVENTS:
                        self.changes.hear(notification.payload)
                        self._wake_waiting()
                    else:
                        self._wake(notification.payload)
                await connection.execute("SELECT 1")  # finds a connection that died without a word

    def close(self) -> None:
        """End every stream soon; their readers will come back to whoever serves next."""
        self._is_closing = True
        self._wake_all()

    async def follow(self, tenant_id: UUID, operation_id: UUID, after: int = 0) -> AsyncGenerator[Told, None]:
        """Yield what the operation's stream holds after the line ``after``, and then what is added.

        Ends with ``End`` once the operation is final. Raises ``NotFoundError`` where the tenant has no such operation.
        """
        woken = asyncio.Event()
        self._followers[operation_id].add(woken)
        started = spoke = monotonic()
        try:
            while not self._is_closing and monotonic() - started < LONGEST_SECONDS:
                woken.clear()
                state, lines = await self._read(tenant_id, operation_id, after)
                for line in lines:
                    after = line.id
                    yield line
                if lines:
                    spoke = monotonic()
                if len(lines) == _BATCH:
                    continue
                if state in FINAL:
                    yield End(state)
                    return
                if monotonic() - spoke >= HEARTBEAT_SECONDS:
                    spoke = monotonic()
                    yield Silence()
                await self._wait(woken)
        finally:
            _forget(self._followers, operation_id, woken)

    @contextmanager
    def following(self, operation_id: UUID | None, *, to_its_end: bool = False) -> Iterator[Wait]:
        """Give what waits until something happens to the operation, and misses nothing while the block runs.

        With ``to_its_end`` only the end counts. Each call waits at most the seconds that it is given, and returns False
        once streams have to end.
        """
        woken = asyncio.Event()
        followers = self._enders if to_its_end else self._followers

        async def wait(seconds: float) -> bool:
            if not self._is_closing:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), seconds)
                woken.clear()
            return not self._is_closing

        if operation_id is None:
            yield wait
            return
        followers[operation_id].add(woken)
        try:
            yield wait
        finally:
            _forget(followers, operation_id, woken)

    async def wait(self, operation_id: UUID | None, seconds: float) -> bool:
        """Wait until something happens to the operation, at most ``seconds``; False once streams have to end."""
        if operation_id is None or self._is_closing:
            await asyncio.sleep(0 if self._is_closing else seconds)
            return not self._is_closing
        woken = asyncio.Event()
        self._followers[operation_id].add(woken)
        try:
            await asyncio.wait_for(woken.wait(), seconds)
        except TimeoutError:
            return not self._is_closing
        finally:
            _forget(self._followers, operation_id, woken)
        return not self._is_closing

    async def wait_for_events(self, seconds: float) -> bool:
        """Wait until any event was recorded, at most ``seconds``; False once waiting has to end.

        Whoever waits looks again at least every ``HEARTBEAT_SECONDS``, and not more often than every ``PAUSE_SECONDS``.
        """
        woken = asyncio.Event()
        self._waiting.add(woken)
        started = monotonic()
        try:
            limit = HEARTBEAT_SECONDS if self.changes.is_heard_of else POLL_SECONDS
            await asyncio.wait_for(woken.wait(), min(limit, seconds))
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, seconds - (monotonic() - started))))
        except TimeoutError:
            return not self._is_closing
        finally:
            self._waiting.discard(woken)
        return not self._is_closing

    async def _read(
        self, tenant_id: UUID, operation_id: UUID, after: int
    ) -> tuple[OperationState | None, list[OperationEventRead]]:
        try:
            return await self._threads.run(self._read_now, tenant_id, operation_id, after)
        except (OperationalError, NoConnectionError) as error:
            LOG.warning("the stream of operation %s waits for the database: %s", operation_id, error)
            return None, []

    def _read_now(
        self, tenant_id: UUID, operation_id: UUID, after: int
    ) -> tuple[OperationState, list[OperationEventRead]]:
        with self._database.tenant_session(tenant_id) as session:
            service = OperationService(session)
            # The state first: a final one promises that the lines read after it are all there will be.
            state = service.get(tenant_id, operation_id).state
            return state, service.stream(tenant_id, operation_id, after, _BATCH)

    async def _wait(self, woken: asyncio.Event) -> None:
        limit = HEARTBEAT_SECONDS if self.changes.is_heard_of else POLL_SECONDS
        try:
            await asyncio.wait_for(woken.wait(), limit)
        except TimeoutError:
            return

    def _wake(self, payload: str) -> None:
        text, _, is_final = payload.partition(" ")
        try:
            operation_id = UUID(text)
        except ValueError:
            return
        for each in (*self._followers.get(operation_id, ()), *(self._enders.get(operation_id, ()) if is_final else ())):
            each.set()

    def _wake_waiting(self) -> None:
        for each in self._waiting:
            each.set()

    def _wake_all(self) -> None:
        self.changes.of_everybody()
        self._wake_waiting()
        for followers in (*self._followers.values(), *self._enders.values()):
            for each in followers:
                each.set()


def _forget(followers: Followers, operation_id: UUID, woken: asyncio.Event) -> None:
    followers[operation_id].discard(woken)
    if not followers[operation_id]:
        del followers[operation_id]


def encode(told: Told) -> bytes:
    """Return what is told as server-sent events are written."""
    if isinstance(told, Silence):
        return b": still here\n\n"
    if isinstance(told, End):
        return message("end", json.dumps({"state": told.state.value}))
    data = {"at": told.at.isoformat().replace("+00:00", "Z"), **told.data}
    return message(told.type, json.dumps(data), told.id)


def message(event: str, data: str, identifier: int | None = None) -> bytes:
    """Return one server-sent event; ``data`` may have several lines."""
    lines = [f"event: {event}", *(f"data: {line}" for line in data.splitlines() or [""])]
    if identifier is not None:
        lines.insert(0, f"id: {identifier}")
    return ("\n".join(lines) + "\n\n").encode()
