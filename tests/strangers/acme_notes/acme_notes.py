"""One event and one worker of somebody else's: when a note is taken, it is written to a file."""

import os
import time
from datetime import timedelta
from pathlib import Path

from catalog.events.registry import EventData, event
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("acme_notes", queue="acme")


@event("acme.note_taken", version=1)
class NoteTaken(EventData):
    """Somebody took a note that takes ``seconds`` to write to ``path``; ``stubborn`` writing does not stop early."""

    path: str
    text: str
    seconds: float = 0.0
    stubborn: bool = False


@WORKER.on(NoteTaken)
@WORKER.job("notes.write", time_limit=timedelta(minutes=1))
def write(context: JobContext) -> None:
    """Append what was noted, before and after the time it takes."""
    note = context.event(NoteTaken)
    with Path(note.path).open("a", encoding="utf-8") as file:
        file.write(f"began {note.text} {os.getpid()}\n")
        file.flush()
        until = time.monotonic() + note.seconds
        while time.monotonic() < until:
            if context.should_stop() and not note.stubborn:
                file.write(f"stopped {note.text}\n")
                raise Interrupted
            time.sleep(0.05)
        file.write(f"ended {note.text}\n")
