"""What Git itself keeps no place for, kept in the repository: pull requests, comments, deployments and reports.

Records are JSON files of a commit that ``refs/slipway/board`` names; changing some is a commit on top of it, and
whoever finds that another came first does it again.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from catalog.providers.scm.errors import BranchMovedError, RepositoryUnavailableError
from catalog.providers.scm.local_git_reading import contents, entries, resolved
from catalog.providers.scm.local_git_writing import make_commit, move_ref
from catalog.providers.scm.values import FolderEntry

BOARD = "refs/slipway/board"
_TRIES = 20

Records = dict[str, dict[str, Any]]
Changes = Mapping[str, dict[str, Any] | None]


def key(*parts: str) -> str:
    """Return the name of a record; each part may hold anything."""
    return "/".join(quote(part, safe="") for part in parts) + ".json"


class Board:
    """The records of one repository."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def records(self) -> Records:
        """Return every record by name."""
        return self._at(resolved(self._place, BOARD))

    def change(self, decide: Callable[[Records], Changes]) -> Records:
        """Write what ``decide`` makes of the records as they are (None: remove), and return them as they are then."""
        for _ in range(_TRIES):
            head = resolved(self._place, BOARD)
            records = self._at(head)
            changes = decide(records)
            files = {name: _file(record) for name, record in changes.items() if record is not None or name in records}
            if not files:
                return records
            made = make_commit(self._place, head, files, "Slipway's records\n")
            try:
                if made != head:
                    move_ref(self._place, BOARD, made, head)
            except BranchMovedError:
                continue
            return {name: record for name, record in {**records, **changes}.items() if record is not None}
        raise RepositoryUnavailableError(f"Others keep changing Slipway's records in {self._place}.")

    def _at(self, commit: str | None) -> Records:
        if commit is None:
            return {}
        found = [each for each in entries(self._place, commit) if not each.is_link]
        read = contents(self._place, [each.blob for each in found])
        return {each.path: record for each, data in zip(found, read, strict=True) if (record := _record(data))}


def _file(record: dict[str, Any] | None) -> FolderEntry | None:
    return None if record is None else FolderEntry(json.dumps(record, indent=1, sort_keys=True).encode())


def _record(data: bytes) -> dict[str, Any] | None:
    # Whoever may push there may write anything; what is no record is none.
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
