"""The compatibility gate: what changed against the version before, and the smallest honest number for it."""

from catalog.assets.compatibility.changes import Bump, Change
from catalog.assets.compatibility.verdict import Faces, Verdict, compare, may_break, predecessor, summary

__all__ = ["Bump", "Change", "Faces", "Verdict", "compare", "may_break", "predecessor", "summary"]
