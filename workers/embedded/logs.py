"""The log file of each child: appended to, and never larger than its cap."""

import shutil
from pathlib import Path
from typing import IO

from workers.embedded.accounts import private_directory

CAP = 10 * 1024 * 1024


class LogFolder:
    """A folder with one ``<name>.log`` per child, and the part before it as ``<name>.log.1`` once the cap was met."""

    def __init__(self, folder: Path, cap: int = CAP) -> None:
        self.folder = private_directory(folder)
        self._cap = cap

    def path(self, name: str) -> Path:
        """Return where the child ``name`` writes."""
        return self.folder / f"{name}.log"

    def open(self, name: str) -> IO[bytes]:
        """Open the log of ``name`` for a child to append to."""
        return self.path(name).open("ab", buffering=0)

    def trim(self) -> None:
        """Start every log anew that has reached the cap; its content so far is kept as the part before it."""
        for path in self.folder.glob("*.log"):
            if path.stat().st_size >= self._cap:
                # Children append, so they go on at the start of the emptied file.
                shutil.copyfile(path, path.with_name(f"{path.name}.1"))
                with path.open("r+b") as file:
                    file.truncate()

    def last_words(self, name: str, lines: int = 1) -> str:
        """Return the last lines that ``name`` wrote, for a message that says why it ended."""
        path = self.path(name)
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            said = file.read().decode(errors="replace").strip().splitlines()
        return "\n".join(said[-lines:])
