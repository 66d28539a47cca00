"""Where blocking work runs beside the event loop."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Two pools: handlers wait for a database connection, whoever ends a unit of work already holds one.

    Ending in a pool of its own means that an end never queues behind handlers that wait for the very connection
    which it would give back.
    """

    def __init__(self, count: int) -> None:
        self.handlers = ThreadPoolExecutor(count, thread_name_prefix="request")
        self.endings = ThreadPoolExecutor(4, thread_name_prefix="unit-of-work-end")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work beside the handlers."""
        return await _run(self.handlers, partial(function, *args, **kwargs))

    async def end(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what gives a connection back."""
        return await _run(self.endings, partial(function, *args, **kwargs))


async def _run(pool: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(pool, context.run, function)
