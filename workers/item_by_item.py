"""Jobs that look at many things of many tenants: what goes wrong with one keeps no other waiting."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from catalog.errors import SlipwayError


@dataclass
class Outcome:
    """How the look at one thing ended: ``problem`` is what went wrong, None where nothing did."""

    problem: Exception | None = None


@contextmanager
def kept_apart(log: logging.Logger, what: str) -> Iterator[Outcome]:
    """Let whatever goes wrong in the block be logged as ``what``, and go on behind it.

    A kill, the end of the time limit and the like are no such thing, and pass.
    """
    outcome = Outcome()
    try:
        yield outcome
    except Exception as error:  # noqa: BLE001  # the others have to be looked at, whatever there is about this one
        log.warning("%s: %s", what, told(error))
        outcome.problem = error


def told(error: Exception) -> str:
    """Return what to write of an error: statements, their parameters and people's input stay out of logs."""
    if isinstance(error, SlipwayError):
        return error.detail
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno} of {frames[-1].filename}" if frames else ""
    return f"{type(error).__name__}{where}"
