"""What holds applications to their limits, tried on a real tree of control groups, version 2.

Containers and many machines of continuous integration have none that may be written to. So a kernel of its own is
started as a process here: it has this machine's files, read-only, and a tree that is all its own.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

INSIDE = Path(__file__).with_name("under_control_groups.py")
ROOT = Path(__file__).resolve().parents[2]
# What is written goes to memory; the loopback device is down at first.
INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 groups /sys/fs/cgroup
mount -t tmpfs -o mode=0755 memory /mnt
mkdir -m 1777 /mnt/tmp
export HOME=/mnt TMPDIR=/mnt/tmp PATH={path} PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={root}
{python} -c "import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x1 | 0x40))"
cd {root}
{python} -m pytest -q -n 0 --color=no -p no:cacheprovider --basetemp=/mnt/tmp/pytest {inside}
echo o > /proc/sysrq-trigger
sleep 60
"""


def test_real_control_groups_hold_applications_to_their_limits(tmp_path: Path) -> None:
    kernel = shutil.which("linux.uml")
    assert kernel is not None, "a kernel that runs as a process is missing; Debian, Ubuntu: apt install user-mode-linux"
    init = tmp_path / "init"
    given = {"path": os.environ["PATH"], "root": ROOT, "python": sys.executable, "inside": INSIDE}
    init.write_text(INIT.format(**{name: shlex.quote(str(each)) for name, each in given.items()}))
    init.chmod(0o755)
    machine = ["rootfstype=hostfs", "rootflags=/", "ro", "mem=1G", f"init={init}", f"uml_dir={tmp_path}/"]
    done = subprocess.run(
        [kernel, *machine, "con=null", "con0=null,fd:1", "quiet"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    said = done.stdout.decode("utf-8", "replace")
    assert re.search(r"^7 passed in ", said, re.MULTILINE), said
