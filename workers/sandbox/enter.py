"""Run as a script by the sandbox where there is no bubblewrap: leave the machine's files and network behind.

Usage, as root: `python -I -S enter.py CONFIGURATION COMMAND...`, where CONFIGURATION is JSON: `shown` (paths that stay
readable at their own places), `directory` (stays writable), `scratch_bytes` (how much may lie in /tmp).
Everything else at the top of the machine's tree is covered, except for `kept`; of processes only those of the same user
are seen. What becomes of users and limits is for `launch.py`, which is the command.
"""

import ctypes
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

_CLONE = 0x00020000 | 0x04000000 | 0x08000000 | 0x40000000  # mounts, host name, shared memory, network
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 0x1, 0x2, 0x4, 0x20, 0x1000, 0x4000, 0x40000
_SMALL = "size=65536,mode=0755"
_SCRATCH, _SHARED = "/tmp", "/dev/shm"  # noqa: S108  # inside the sandbox
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class _Machine:
    """The mounts of this process's own namespace."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)

    def leave(self) -> None:
        """Take namespaces of its own, in which nothing that is mounted reaches the machine."""
        if self._library.unshare(_CLONE):
            raise OSError(ctypes.get_errno(), "the network and the machine's files cannot be taken away")
        self.mount(None, "/", None, _REC | _PRIVATE)

    def mount(self, source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
        """Mount; raise ``OSError`` that names the target."""
        texts = [None if each is None else os.fsencode(each) for each in (source, target, kind, data)]
        if self._library.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]):
            raise OSError(ctypes.get_errno(), f"{target} cannot be covered")

    def cover(self, folder: str, data: str = _SMALL) -> None:
        """Put an empty folder in place of one."""
        self.mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV, data)

    def show(self, handle: int, path: str, *, writable: bool) -> None:
        """Let what ``handle`` is open on be seen at ``path``."""
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            Path(path).mkdir(parents=True, exist_ok=True)
        else:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        self.mount(f"/proc/self/fd/{handle}", path, None, _BIND)
        if not writable:
            self.mount(None, path, None, _BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV)


def _enter(configuration: dict[str, Any]) -> None:
    os.umask(0o022)
    directory = configuration["directory"]
    machine = _Machine()
    machine.leave()
    # Opened before anything is covered: what is open can be shown again afterwards.
    wanted = [*configuration["shown"], *_DEVICES, directory]
    shown = {path: os.open(path, os.O_PATH) for path in wanted if Path(path).exists()}
    covered = _cover(machine, {*configuration["kept"], "proc"}, f"size={configuration['scratch_bytes']},mode=1777")
    for path, handle in shown.items():
        machine.show(handle, path, writable=path == directory or path in _DEVICES)
        os.close(handle)
    Path(_SHARED).mkdir()
    machine.cover(_SHARED)
    Path("/dev/fd").symlink_to("/proc/self/fd")
    machine.mount("proc", "/proc", "proc", _NOSUID | _NODEV, "hidepid=2")
    for path in (*covered, _SHARED):
        if path != _SCRATCH:
            machine.mount(None, path, None, _REMOUNT | _RDONLY | _NOSUID | _NODEV, _SMALL)


def _cover(machine: _Machine, kept: set[str], scratch: str) -> list[str]:
    """Cover what lies at the top of the tree, and return the folders among it."""
    covered = []
    # Files first, because /dev is among the folders.
    for each in sorted(os.scandir("/"), key=lambda each: each.is_dir()):
        if each.name in kept:
            continue
        if each.is_dir(follow_symlinks=False):
            machine.cover(each.path, scratch if each.path == _SCRATCH else _SMALL)
            covered.append(each.path)
        elif each.is_file(follow_symlinks=False):
            machine.mount("/dev/null", each.path, None, _BIND)
    return covered


def main() -> None:
    """Leave, and become the command; a failure is one line."""
    configuration, command = json.loads(sys.argv[1]), sys.argv[2:]
    try:
        _enter(configuration)
        os.execvp(command[0], command)  # noqa: S606 - the command is what this program is for
    except OSError as error:
        sys.stderr.write(f"slipway: the sandbox could not be entered: {error}\n")
        sys.exit(126)


if __name__ == "__main__":
    main()
