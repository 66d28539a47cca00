"""Run as a script by process host and sandbox: give up privileges, set limits, then become the application.

Usage: `python -I -S launch.py CONFIGURATION COMMAND...`, where CONFIGURATION is JSON: `uid` (null: keep), `umask`,
`directory`, `limits` (bytes and counts by the name of the resource limit) and `parent` (the host's process id);
`environment`, where it is given, takes the place of the present one; `group` is the file by which a control group is
joined, `processors` are those that are kept to.
Only the standard library is used, and little of it, because every application waits for this.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def restrict(configuration: dict[str, Any]) -> None:
    """Restrict this process as the configuration says; raise ``OSError`` where that fails."""
    library = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if "group" in configuration:
        with open(configuration["group"], "w", encoding="ascii") as group:  # noqa: PTH123 - without a library more
            group.write("0")
    if "processors" in configuration:
        os.sched_setaffinity(0, configuration["processors"])
    for name, value in configuration["limits"].items():
        number = getattr(resource, name, None)
        if number is not None:
            hard = resource.getrlimit(number)[1]
            limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (limit, limit))
    os.umask(configuration["umask"])
    if configuration["uid"] is not None:
        os.setgroups([])
        os.setgid(configuration["uid"])
        os.setuid(configuration["uid"])
    if library is not None:
        # After the change of user, which clears the signal that is sent when the parent dies.
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if "environment" in configuration:
        os.environ.clear()
        os.environ.update(configuration["environment"])
    if os.getppid() != configuration["parent"]:
        sys.exit(125)
    os.chdir(configuration["directory"])


def main() -> None:
    """Restrict this process and execute the command; a failure is one line in the application's log."""
    configuration, command = json.loads(sys.argv[1]), sys.argv[2:]
    try:
        restrict(configuration)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - the command is what this program is for
    except OSError as error:
        sys.stderr.write(f"slipway: the application could not be started: {error}\n")
        sys.exit(126)


if __name__ == "__main__":
    main()
