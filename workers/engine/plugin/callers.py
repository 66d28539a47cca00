"""Who calls the plugin: its port is open to every program on this machine, applications of previews among them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from workers.process_host import sessions

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def is_trusted(peer: str, own_port: int, session: int | None = None) -> bool:
    """Tell whether the program at the other end of a connection to ``own_port`` is this user's.

    ``peer`` is gRPC's word for that end, such as ``ipv4:127.0.0.1:40312``. Where ``session`` is given, the program must
    belong to it as well, which a sandboxed application of the same user does not. A system that does not tell has no
    means to keep applications apart either.
    """
    tables = [table for table in TABLES if table.exists()]
    if not tables:
        return True
    port = peer.rpartition(":")[2]
    ends = [end for table in tables for end in _ends(table) if port == str(end[0]) and end[1] == own_port]
    if not ends or any(uid != os.geteuid() for _local, _remote, uid, _inode in ends):
        return False
    return session is None or {inode for *_rest, inode in ends} <= set(_sockets(session))


def _ends(table: Path) -> Iterator[tuple[int, int, int, str]]:
    """Yield local port, remote port, user and inode of every connection."""
    for line in table.read_text("ascii").splitlines()[1:]:
        fields = line.split()
        local, remote = (int(fields[place].rpartition(":")[2], 16) for place in (1, 2))
        yield local, remote, int(fields[7]), fields[9]


def _sockets(session: int) -> Iterator[str]:
    """Yield the inodes of all sockets that the processes of a session hold."""
    for pid in sessions.members(session):
        with suppress(OSError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    name = str(Path(entry.path).readlink())
                    if name.startswith("socket:["):
                        yield name[len("socket:[") : -1]
