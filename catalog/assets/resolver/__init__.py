"""The resolver: from what is asked for to a lock that satisfies everything at once, or a sentence that says why not."""

from catalog.assets.resolver.errors import ResolutionRefusedError
from catalog.assets.resolver.lock import Cause, LockedVersion, LockEntry, Resolution, ResolveAssets, Understood, Why
from catalog.assets.resolver.resolve import Wanted, resolve
from catalog.assets.resolver.universe import Ask, Need, Release, Universe

__all__ = [
    "Ask",
    "Cause",
    "LockEntry",
    "LockedVersion",
    "Need",
    "Release",
    "Resolution",
    "ResolutionRefusedError",
    "ResolveAssets",
    "Understood",
    "Universe",
    "Wanted",
    "Why",
    "resolve",
]
