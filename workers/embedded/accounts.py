"""The users that the embedded servers run as, and which files those users can reach."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

# 65520 to 65533 belong to nobody: above systemd's dynamic users, below ``nobody``, and inside the 65536 identifiers
# that a rootless container has.
_NUMBERS = {"postgres": 65520, "redis": 65521, "haproxy": 65522}


@dataclass(frozen=True)
class Account:
    """A numeric user and group; it needs no line in the system's user database."""

    uid: int
    gid: int


def service_account(service: str) -> Account | None:
    """Return the unprivileged account for ``service`` when we are root, or None: then it runs as we do."""
    if os.geteuid() != 0:
        return None
    number = _NUMBERS[service]
    return Account(number, number)


def named_account() -> Account | None:
    """Return an unprivileged account that has a name, as ``initdb`` insists on one; None where there is none."""
    entries = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    entries.sort(key=lambda entry: (entry.pw_name != "nobody", -entry.pw_uid))
    return Account(entries[0].pw_uid, entries[0].pw_gid) if entries else None


def has_name(uid: int) -> bool:
    """Tell whether the system's user database has a name for ``uid``."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def can_reach(path: Path, account: Account | None) -> bool:
    """Tell whether ``account`` may pass through every directory above ``path``."""
    if account is None:
        return True
    return all(_may_enter(parent.stat(), account) for parent in path.resolve().parents if parent.exists())


def _may_enter(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def passage(path: Path) -> Path:
    """Make ``path`` a directory of ours that others cannot list; when we are root they may pass to their own part."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return path


def private_directory(path: Path, account: Account | None = None) -> Path:
    """Make ``path`` a directory that only ``account`` (or we) can read, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    if account is not None and path.stat().st_uid != account.uid:
        give_tree(path, account)
    return path


def give_tree(path: Path, account: Account) -> None:
    """Make ``account`` the owner of ``path`` and of everything below it; links are not followed."""
    os.chown(path, account.uid, account.gid)
    for directory, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(directory, name), account.uid, account.gid, follow_symlinks=False)
