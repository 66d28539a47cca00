"""The queue: Dramatiq's Redis broker, which waits instead of polling and is written to in batches."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import redis
from dramatiq import Message
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import q_name
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware

from catalog.settings import Settings

NAMESPACE = "slipway"
# How long a consumer blocks before it looks again whether it shall stop.
_BLOCK_SECONDS = 1
# Commands a round trip: large enough to make the network's part small, small enough not to hold Redis up.
_BATCH = 500


@dataclass(frozen=True)
class Send:
    """One message: the job to run, with what, and an ``identity`` that a repeated sending shares.

    ``again`` says that a message of that identity may be in the queue still; it is then moved, not doubled.
    """

    queue: str
    job: str
    identity: str
    arguments: Mapping[str, int]
    again: bool = False


class Queue(Protocol):
    """Where the relay puts what is due."""

    def send(self, messages: Sequence[Send]) -> None:
        """Put ``messages`` in, in order; an error means that any part of them may be in."""
        ...


class WaitingConsumer(Consumer):
    """Yields the messages of one queue, blocking in Redis while there is none, so that an idle worker does nothing."""

    def __init__(self, inner: Any, client: "redis.Redis", key: str) -> None:
        self._inner = inner
        self._client = client
        self._key = key
        self._ended_one = threading.Event()

    def ack(self, message: MessageProxy) -> None:
        """Forget a message that was processed."""
        self._inner.ack(message)
        self._ended_one.set()

    def nack(self, message: MessageProxy) -> None:
        """Set a message aside that failed."""
        self._inner.nack(message)
        self._ended_one.set()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put back what was fetched and not processed."""
        self._inner.requeue(messages)

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None after a while without one."""
        inner = self._inner
        if not inner.message_cache:
            self._ended_one.clear()
            if inner.outstanding_message_count >= inner.prefetch:
                self._ended_one.wait(_BLOCK_SECONDS)
                return None
            try:
                # Moves the first message to where it is: a wait that takes nothing away.
                self._client.blmove(self._key, self._key, _BLOCK_SECONDS, "LEFT", "LEFT")
            except (redis.ConnectionError, redis.TimeoutError) as error:
                raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # not annotated in Dramatiq
            inner.misses = 0
        message: MessageProxy | None = next(inner)
        return message

    def close(self) -> None:
        """Put back what was fetched and never given out, which Dramatiq would leave to a later clean-up."""
        fetched = [MessageProxy(Message.decode(data)) for data in self._inner.message_cache if data]
        self._inner.message_cache = []
        with suppress(redis.RedisError):
            self._inner.requeue(fetched)
        self._inner.close()


class SlipwayBroker(RedisBroker):
    """Dramatiq's Redis broker without delay queues (the database knows what is due when) and with batches.

    ``concurrency`` bounds, by queue, how many messages one process holds at once.
    """

    def __init__(self, url: str, middleware: list[Middleware], concurrency: Mapping[str, int] | None = None) -> None:
        pool = redis.ConnectionPool.from_url(url, socket_timeout=10, socket_connect_timeout=5, health_check_interval=30)
        super().__init__(client=redis.Redis(connection_pool=pool), middleware=middleware, namespace=NAMESPACE)  # type: ignore[no-untyped-call]  # not annotated in Dramatiq
        self._concurrency = dict(concurrency or {})

    def declare_queue(self, queue_name: str) -> None:
        """Make the queue known to consumers."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Return a consumer of one queue, which waits in Redis or for a message to end, and never polls."""
        bound = min(prefetch, self._concurrency.get(q_name(queue_name), prefetch))
        return WaitingConsumer(super().consume(queue_name, bound, timeout), self.client, f"{NAMESPACE}:{queue_name}")

    def send(self, messages: Sequence[Send]) -> None:
        """Put ``messages`` in, in order; raise ``redis.RedisError`` where Redis cannot be reached."""
        for first in range(0, len(messages), _BATCH):
            with self.client.pipeline(transaction=False) as pipeline:
                for each in messages[first : first + _BATCH]:
                    self._put(pipeline, each)
                pipeline.execute()

    def _put(self, pipeline: Any, message: Send) -> None:
        # What Dramatiq's own script does for "enqueue"; one script call a message would cost Redis four times more.
        key = f"{NAMESPACE}:{message.queue}"
        encoded = Message(
            queue_name=message.queue,
            actor_name=message.job,
            args=(),
            kwargs=dict(message.arguments),
            options={"redis_message_id": message.identity},
            message_id=message.identity,
            message_timestamp=int(time.time() * 1000),
        ).encode()
        if message.again:
            pipeline.lrem(key, 0, message.identity)
        pipeline.hset(f"{key}.msgs", message.identity, encoded)
        pipeline.rpush(key, message.identity)


def open_broker(settings: Settings, middleware: list[Middleware], concurrency: Mapping[str, int]) -> SlipwayBroker:
    """Return the broker of these settings; nothing is sent before it is used."""
    if not settings.redis_url:
        raise ValueError("There is no queue: set SLIPWAY_REDIS_URL, or use `slipway up`, which brings its own Redis.")
    return SlipwayBroker(settings.redis_url, middleware, concurrency)
