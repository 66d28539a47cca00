"""Where the data really lies when the place that was asked for is closed to the users that applications run as."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from workers.embedded.accounts import Account, can_reach, passage

SYSTEM_DATA = Path("/var/lib/slipway")
# Stands for whoever applications run as: somebody who owns nothing and belongs to no group.
_STRANGER = Account(65533, 65533)


def settle(wanted: Path, say: Callable[[str], None]) -> Path:
    """Make the data directory and return its real path, which is ``wanted`` unless that is of no use to applications.

    As root, applications run under users of their own. Those cannot enter a directory below root's closed home, and
    opening that home is not ours to do: then the data is kept below ``/var/lib/slipway`` and ``wanted`` links to it.
    Data that is already there is never moved.
    """
    if os.geteuid() == 0 and not wanted.exists() and not wanted.is_symlink() and not can_reach(wanted, _STRANGER):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        SYSTEM_DATA.mkdir(mode=0o755, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="data-", dir=SYSTEM_DATA))
        wanted.symlink_to(made)
        say(f"Applications run as other users, who cannot enter {wanted.parent}: the data is kept in {made},")
        say(f"and {wanted} links to it.")
    return passage(wanted.resolve())
