"""A supervisor with tiny stand-ins for the real parts: ``python standing_in.py DATA``.

``stubborn`` ignores its farewell; ``family`` has a child in a session of its own, whose parent then dies.
"""

import sys
from pathlib import Path

from workers.embedded.guard import run_guarded
from workers.embedded.launch import Command
from workers.embedded.logs import LogFolder
from workers.embedded.parts import Service
from workers.embedded.supervisor import StopRequestedError, Supervisor, Wave

PLAIN = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PLAIN}"
FAMILY = f"""
import os, subprocess, sys
grandchild = [sys.executable, '-c', {STUBBORN!r}]
middle = ("import subprocess, sys; "
          f"subprocess.Popen({{grandchild!r}}, start_new_session=True)")
subprocess.run([sys.executable, '-c', middle])
{PLAIN}
"""


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _supervise(data: Path) -> int:
    logs = LogFolder(data / "logs", cap=4096)
    supervisor = Supervisor(logs, _say)

    def part(name: str, code: str) -> Service:
        return Service(name, Command([sys.executable, "-c", code], data), logs)

    try:
        supervisor.start(Wave([part("plain", PLAIN)], patience=1.0))
        supervisor.start(Wave([part("stubborn", STUBBORN), part("family", FAMILY)], patience=1.0))
        supervisor.tend(lambda: (data / "logs" / "family.log").read_text().count("\n") >= 2, seconds=20)
        _say("ready")
        supervisor.tend(lambda: False)
    except StopRequestedError:
        _say("stopping")
    finally:
        supervisor.shut_down()
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(lambda: _supervise(Path(sys.argv[1]))))
