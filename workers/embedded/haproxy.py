"""The embedded HAProxy: it leads visitors of preview environments to their applications."""

import grp
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from catalog.providers.routers.haproxy_configuration import HAProxyOptions, write_configuration
from catalog.settings import Settings
from workers.embedded.accounts import named_account
from workers.embedded.launch import Command, end, start
from workers.embedded.logs import LogFolder

MISSING = (
    "HAProxy was not found, so preview environments will have no address; everything else works. "
    "Install it (Debian, Ubuntu: apt install haproxy; Fedora: dnf install haproxy; macOS: brew install haproxy) "
    "and start Slipway again."
)


def haproxy_program() -> Path | None:
    """Return where HAProxy is installed, or None; users' paths often lack the folders for servers."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin")
    return Path(found) if found else None


def metrics_port(settings: Settings) -> int:
    """Return the loopback port on which HAProxy tells its figures."""
    return settings.preview_port + 1


class Haproxy:
    """HAProxy with a master, so that SIGUSR2 reloads its configuration without dropping a connection.

    Its configuration is written anew at every start; routes are changed at run time and need no reload.
    """

    def __init__(self, program: Path, settings: Settings, logs: LogFolder) -> None:
        self.name = "haproxy"
        self.farewell = signal.SIGTERM
        self.process: subprocess.Popen[bytes] | None = None
        self._program = program
        self._settings = settings
        self._logs = logs

    def start(self) -> None:
        """Write the configuration and start HAProxy."""
        user, group = _identity() if os.geteuid() == 0 else ("", "")
        settings = self._settings
        options = HAProxyOptions(
            data_dir=settings.data_dir,
            run_dir=settings.run_dir,
            preview_port=settings.preview_port,
            metrics_port=metrics_port(settings),
            bind_host=settings.host,
            user=user,
            group=group,
        )
        arguments = [str(self._program), "-W", "-db", "-f", str(write_configuration(options))]
        with self._logs.open(self.name) as log:
            self.process = start(Command(arguments, options.directory), log)

    def is_ready(self) -> bool:
        """Tell whether HAProxy runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds: float) -> None:
        """End HAProxy; connections that are open are cut off after ``seconds``."""
        if self.process is not None:
            end(self.process, self.farewell, seconds)
            self.process = None


def _identity() -> tuple[str, str]:
    """Return the user and group that HAProxy's worker becomes; both empty when we have no other to choose."""
    try:
        entry = pwd.getpwnam("haproxy")
    except KeyError:
        account = named_account()
        if account is None:
            return "", ""
        entry = pwd.getpwuid(account.uid)
    return entry.pw_name, grp.getgrgid(entry.pw_gid).gr_name
