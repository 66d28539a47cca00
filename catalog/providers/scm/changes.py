"""What may be written into a repository: paths that stay inside it, names that every provider takes."""

import re
from collections.abc import Iterable, Mapping

from catalog.errors import InvalidInputError

_BRANCH = re.compile(r"(?!-)[\w./+@#-]{1,200}")
_MARKER = re.compile(r"[A-Za-z0-9./-]{1,200}")
_REFUSED_IN_BRANCHES = ("..", "@{", "//", ".lock/", "/.")


def check_paths(paths: Iterable[str]) -> None:
    """Raise ``InvalidInputError`` for a path that leads out of the repository, into ``.git``, or is not portable."""
    for path in paths:
        parts = path.split("/")
        unusable = any(part in {"", ".", ".."} or part.lower().rstrip(". ") in {".git", "git~1"} for part in parts)
        if unusable or "\\" in path or any(ord(letter) < 32 for letter in path) or len(path) > 1000:
            raise InvalidInputError(f"{path[:200]!a} cannot be the path of a file in a repository.")


def check_branch(name: str) -> None:
    """Raise ``InvalidInputError`` for what Git or a provider does not take as the name of a branch."""
    refused = name.startswith((".", "/")) or name.endswith((".", "/", ".lock")) or name == "@"
    if not _BRANCH.fullmatch(name) or refused or any(part in name for part in _REFUSED_IN_BRANCHES):
        raise InvalidInputError(f"{name[:200]!a} cannot be the name of a branch.")


def hidden_marker(marker: str) -> str:
    """Return the line that hides a marker in a comment; raise ``InvalidInputError`` for a marker that cannot be one."""
    if not _MARKER.fullmatch(marker) or "--" in marker:
        raise InvalidInputError(f"{marker[:200]!a} cannot be a marker: letters, digits, '.', '/' and single '-'.")
    return f"<!-- slipway: {marker} -->"


def hook_header(headers: Mapping[str, str], name: str, longest: int = 200) -> str:
    """Return a header of a delivery, or "" where there is none or it is too long to be one."""
    value = headers.get(name, "")
    return value if len(value) <= longest else ""
