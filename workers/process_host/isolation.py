"""How applications are kept away from Slipway's own files and from each other."""

import json
import os
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from workers.process_host import ProcessHostError, ProcessSpec
from workers.process_host.bounds import Bounds
from workers.removal import remove_folder

LAUNCHER = Path(__file__).with_name("launch.py")
SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
OPEN_TO_APPLICATIONS = ("environments", "processes")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Isolation(StrEnum):
    """The ways to keep applications apart, best first; `NONE` is only used where the operator asked for it."""

    USER = "user"
    BUBBLEWRAP = "bubblewrap"
    NONE = "none"
    REFUSED = "refused"


def _bubblewrap_works() -> bool:
    if shutil.which("bwrap") is None:
        return False
    probe = ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-pid", "true"]
    return subprocess.run(probe, capture_output=True, timeout=10).returncode == 0


def choose(*, insecure: bool, wanted: Isolation | None = None) -> Isolation:
    """Return the best isolation that this machine offers, or `wanted` where it works."""
    if wanted is not Isolation.BUBBLEWRAP and sys.platform == "linux" and os.geteuid() == 0:
        return Isolation.USER
    if wanted is not Isolation.USER and _bubblewrap_works():
        return Isolation.BUBBLEWRAP
    return Isolation.NONE if insecure else Isolation.REFUSED


REASONS = {
    Isolation.USER: "every environment runs under a user id of its own",
    Isolation.BUBBLEWRAP: "every application runs in a bubblewrap sandbox",
    Isolation.NONE: "applications run as Slipway's own user and can read its files, because --insecure-local was given",
    Isolation.REFUSED: (
        "applications cannot be kept apart here: run Slipway as root on Linux, or install bubblewrap where user "
        "namespaces are allowed, or accept the risk with --insecure-local"
    ),
}


class Isolator:
    """Prepares directories and command lines for applications under one data directory."""

    def __init__(self, data: Path, kind: Isolation, bounds: Bounds) -> None:
        self.kind = kind
        self.bounds = bounds
        self._data = data
        self._homes = data / "processes" / "homes"

    def prepare(self, spec: ProcessSpec, uid: int) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the whole environment of an application; raise `ProcessHostError`."""
        if self.kind is Isolation.REFUSED:
            raise ProcessHostError("isolation", REASONS[self.kind])
        directory = Path(spec.directory)
        if spec.data:
            self._make_data(spec, uid)
        self._require_no_link(spec)
        if not directory.is_dir():
            raise ProcessHostError("invalid", f"directory: {directory} is not a directory")
        home = self._home(spec.environment_id, uid)
        if self.kind is Isolation.USER:
            self._close_data()
            self._open_environment(spec, uid)
            self._require_reach(directory, uid)
        configuration = {
            "uid": uid if self.kind is Isolation.USER else None,
            "umask": 0o027,
            "directory": str(directory),
            "parent": os.getpid(),
            **self.bounds.of(spec.id, spec.limits),
        }
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(configuration)]
        sandbox = self._sandbox(spec, home) if self.kind is Isolation.BUBBLEWRAP else []
        return [*launcher, *sandbox, "/bin/sh", "-c", spec.command], self._environment(spec, home)

    def forget(self, environment_id: str) -> None:
        """Remove what applications of an environment left in their home directory."""
        remove_folder(self._homes / environment_id)

    def _environment(self, spec: ProcessSpec, home: Path) -> dict[str, str]:
        return {
            "PATH": ":".join((*SEARCH_PATH, str(Path(sys.executable).parent))),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **spec.env,
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "HOST": "127.0.0.1",
            "PORT": str(spec.port),
        }

    def _make_data(self, spec: ProcessSpec, uid: int) -> None:
        """Make the directory of data that outlives the process; the environment's files are removed with it."""
        top = self._data / "environments" / spec.environment_id / "data"
        directory = Path(spec.directory)
        if directory.parent != top:
            raise ProcessHostError("invalid", f"directory: data lies right below {top}")
        for path in (top.parent, top):
            path.mkdir(mode=0o711, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.kind is Isolation.USER:
            os.chown(directory, uid, uid)

    def _home(self, environment_id: str, uid: int) -> Path:
        home = self._homes / environment_id
        for path in (home, home / "tmp"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.kind is Isolation.USER:
                os.chown(path, uid, uid)
        return home

    def _close_data(self) -> None:
        """Let applications pass through the data directory, and into nothing of it but what is meant for them."""
        self._data.chmod(0o711)
        for path in self._data.iterdir():
            if path.name in OPEN_TO_APPLICATIONS:
                path.chmod(0o711)
            elif not path.is_symlink() and path.stat().st_mode & 0o007:
                path.chmod(path.stat().st_mode & 0o7770)
        self._homes.chmod(0o711)

    def _open_environment(self, spec: ProcessSpec, uid: int) -> None:
        """Give the group of the environment's user the way into the environment's own directory, and nobody else."""
        top = self._data / "environments" / spec.environment_id
        if not top.is_dir() or not Path(spec.directory).is_relative_to(top):
            return
        # From folder to folder and never by name: a link would open what somebody else's files lie in.
        opened = [os.open(top, _FOLDER)]
        try:
            os.fchown(opened[0], -1, uid)
            os.fchmod(opened[0], 0o750)
            for part in Path(spec.directory).relative_to(top).parts[:-1]:
                opened.append(os.open(part, _FOLDER, dir_fd=opened[-1]))
                os.fchmod(opened[-1], os.fstat(opened[-1]).st_mode & 0o7777 | 0o011)
        except OSError as error:
            raise ProcessHostError("invalid", f"directory: {spec.directory}: {error.strerror}") from error
        finally:
            for each in opened:
                os.close(each)

    def _require_no_link(self, spec: ProcessSpec) -> None:
        """Refuse a directory that is reached through a link, or upwards: it may be another environment's."""
        top = self._data / "environments" / spec.environment_id
        directory = Path(spec.directory)
        parts = directory.relative_to(top).parts if directory.is_relative_to(top) else ()
        links = [top.joinpath(*parts[:count]).is_symlink() for count in range(1, len(parts) + 1)]
        if ".." in directory.parts or any(links):
            raise ProcessHostError("invalid", f"directory: {directory} leads through a link")

    def _require_reach(self, directory: Path, uid: int) -> None:
        for path in (*reversed(directory.parents), directory):
            status = path.stat()
            group = status.st_gid == uid and status.st_mode & 0o010
            owner = status.st_uid == uid and status.st_mode & 0o100
            if not (status.st_mode & 0o001 or group or owner):
                message = (
                    f"applications run as another user, who cannot enter {path}; keep the data directory elsewhere"
                )
                raise ProcessHostError("isolation", f"{message} (SLIPWAY_DATA) or allow entering: chmod o+x {path}")

    def _sandbox(self, spec: ProcessSpec, home: Path) -> list[str]:
        """Show the whole system read-only, except for home directories and Slipway's data, which are empty."""
        options = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        options += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        real_home = Path.home()
        for hidden in ("/tmp", "/var/tmp", "/run", "/root", "/home", str(real_home), str(self._data)):  # noqa: S108
            if Path(hidden).is_dir() and hidden != "/":
                options += ["--tmpfs", hidden]
        for program in dict.fromkeys((sys.prefix, sys.base_prefix)):
            if not program.startswith("/usr"):
                options += ["--ro-bind", program, program]
        for shown in (*spec.reads, spec.root or spec.directory):
            options += ["--bind" if spec.data and shown == spec.directory else "--ro-bind", shown, shown]
        options += ["--bind", str(home), str(home)]
        return [*options, "--chdir", spec.directory]
