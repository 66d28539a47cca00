"""Which files the program reads, by their names alone, so that nothing else has to be handed in."""

import re
from pathlib import PurePosixPath

REQUIREMENTS = re.compile(r"requirements[\w.-]*\.txt")
PROJECT_FILES = frozenset(
    {
        "poetry.lock",
        "Pipfile.lock",
        "Pipfile",
        "uv.lock",
        "pylock.toml",
        "Cargo.lock",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "package.json",
        "package.tgz",
        "pyproject.toml",
        "go.mod",
    }
)


def is_read(path: str) -> bool:
    """Tell whether the program would read the file at a relative path."""
    place = PurePosixPath(path)
    if place.name.endswith(".whl") or place.name in PROJECT_FILES or REQUIREMENTS.fullmatch(place.name):
        return True
    return place.name == "METADATA" and place.parent.name.endswith(".dist-info")
