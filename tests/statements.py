"""What an engine is asked meanwhile, so that two answers can be compared by the work that they took."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def statements(of: Engine) -> Iterator[list[str]]:
    """Gather the statements that an engine sends meanwhile, but for the heartbeat, which has a clock of its own."""
    seen: list[str] = []

    def take(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "heartbeat" not in statement:
            seen.append(statement)

    event.listen(of, "before_cursor_execute", take)
    try:
        yield seen
    finally:
        event.remove(of, "before_cursor_execute", take)
