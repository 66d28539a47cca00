"""``Procfile``: a name and a command in each line; ``web`` listens, everything else works in the background."""

import re
from typing import Any

from catalog.assets.repository_files.notes import Notes

LARGEST = 16 * 1024
_ENTRY = re.compile(r"([A-Za-z0-9_-]{1,63})\s*:\s*(\S.*)")
STILL_RUNS = "PT2S"
"""How long what listens nowhere has to run to count as well."""


def read_procfile(data: bytes, notes: Notes) -> dict[str, Any]:
    """Return a process for each entry, but for ``release``, which is run by no preview."""
    made: dict[str, Any] = {}
    try:
        text = data[: LARGEST + 1].decode()
    except UnicodeDecodeError:
        text = ""
        notes.refuse_line(1, "The file is not text in UTF-8.", "Save it as UTF-8.")
    if len(data) > LARGEST:
        notes.refuse_line(1, f"The file is larger than {LARGEST // 1024} KiB.", "Move commands into scripts.")
        return made
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ENTRY.fullmatch(line.strip())
        if match is None:
            notes.refuse_line(number, "The line is no entry.", "Write one such as web: python app.py.")
            continue
        name = match[1].lower().replace("_", "-")
        if match[1] == "release" or not notes.is_name(name, ()):
            continue
        if name in made:
            notes.refuse_line(number, f"There are two entries {name}.", "Give one another name.")
        health = {"tcp": True} if name == "web" else {"running": STILL_RUNS}
        made[name] = {"type": "process", "procfile": match[1], "health": health}
    return made
