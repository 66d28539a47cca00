"""Pulumi programs run on mocks, each as if it were the first one of the process."""

import asyncio
from collections.abc import Callable
from contextvars import Context

import pulumi
from pulumi.runtime import mocks


def run_mocked(engine: mocks.Mocks, program: Callable[[], object]) -> None:
    """Run ``program`` with the stack shop/test, wait for what it registers and returns.

    The SDK keeps the root stack in a context variable and its futures in the loop of the thread: a program that finds
    the root of another test's loop fails with "attached to a different loop". So each has a context and a loop.
    """

    def run() -> None:
        mocks.set_mocks(engine, project="shop", stack="test", preview=False)
        pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]

    with asyncio.Runner() as runner:
        runner.get_loop()
        Context().run(run)
