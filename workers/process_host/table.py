"""The process host's memory on disk: which processes are wanted, on which ports, under which users."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from workers.process_host import ProcessHostError, ProcessSpec

UID_MAP = Path("/proc/self/uid_map")
WIDE_UIDS = 1_500_000_000
ENVIRONMENTS_PER_HOST = 65_536


def first_uid(data: Path) -> int:
    """Return the first user id for the environments of a data directory.

    Two hosts on one machine must not share users, or they would end each other's applications; the directory's path
    spreads them. A container with few user ids gets a narrower spread.
    """
    spread = int.from_bytes(hashlib.sha256(str(data).encode()).digest()[:4])
    highest = highest_uid()
    if highest >= WIDE_UIDS:
        return 200_000_000 + spread % 16_384 * ENVIRONMENTS_PER_HOST
    return highest // 6 + spread % 50 * (highest // 75)


def highest_uid() -> int:
    """Return the first user id beyond those that exist here; a container may have few."""
    lines = UID_MAP.read_text("ascii").splitlines() if UID_MAP.exists() else []
    return max((int(start) + int(count) for start, _outside, count in map(str.split, lines)), default=WIDE_UIDS)


class Table:
    """The wanted processes and the user of each environment; every change is on disk before it returns.

    A user id is never given to a second environment, because files of the first may still lie about. The file holds
    the environment variables of applications and is readable by the host alone.
    """

    def __init__(self, path: Path, first: int) -> None:
        self._path = path
        self._first = first
        self._uids: dict[str, int] = {}
        self._gates: dict[str, int] = {}
        self.specs: dict[str, ProcessSpec] = {}
        self.healthy: set[str] = set()
        self.sessions: dict[str, tuple[int, float]] = {}
        if path.exists():
            self._load(json.loads(path.read_text("utf-8")))

    def _load(self, data: dict[str, Any]) -> None:
        self._uids = {str(key): int(value) for key, value in data["uids"].items()}
        self._gates = {str(key): int(value) for key, value in data.get("gates", {}).items()}
        for item in data["processes"]:
            spec = ProcessSpec.from_json(item["spec"])
            self.specs[spec.id] = spec
            self.sessions[spec.id] = (int(item["session"][0]), float(item["session"][1]))
            if item["healthy"]:
                self.healthy.add(spec.id)

    def uid(self, environment_id: str) -> int:
        """Return the user id of an environment, giving it one where it has none."""
        if environment_id not in self._uids:
            self._uids[environment_id] = max(self._uids.values(), default=self._first - 1) + 1
            self._save()
        return self._uids[environment_id]

    def gate(self, environment_id: str) -> int:
        """Return the number of the gate through which starts for an environment come now."""
        return self._gates.get(environment_id, 0)

    def close_gate(self, environment_id: str) -> int:
        """Close the present gate for good, and return the number of the next; numbers are never used again."""
        self._gates[environment_id] = self.gate(environment_id) + 1
        self._save()
        return self._gates[environment_id]

    def known_uids(self) -> frozenset[int]:
        """Return every user id that was ever given."""
        return frozenset(self._uids.values())

    def add(self, spec: ProcessSpec) -> None:
        """Remember that a process is wanted."""
        self.specs[spec.id] = spec
        self._save()

    def move(self, process_id: str, port: int) -> None:
        """Remember another port for a process."""
        self.specs[process_id] = replace(self.specs[process_id], port=port)
        self._save()

    def mark_healthy(self, process_id: str) -> None:
        """Remember that a process has been healthy once."""
        if process_id not in self.specs:
            raise ProcessHostError("not_found", "there is no such process")
        if process_id not in self.healthy:
            self.healthy.add(process_id)
            self._save()

    def ran(self, process_id: str, session: int, started: float) -> None:
        """Remember which session (process id and start time) a process was given, to find what outlives the host."""
        self.sessions[process_id] = (session, started)
        self._save()

    def remove(self, process_id: str) -> None:
        """Forget a process."""
        self.specs.pop(process_id, None)
        self.sessions.pop(process_id, None)
        self.healthy.discard(process_id)
        self._save()

    def _save(self) -> None:
        processes = [
            {"spec": spec.as_json(), "healthy": key in self.healthy, "session": self.sessions.get(key, (0, 0.0))}
            for key, spec in self.specs.items()
        ]
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"uids": self._uids, "gates": self._gates, "processes": processes}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
