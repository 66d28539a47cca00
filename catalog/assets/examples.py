"""The examples of a package: inputs by a name, from which a request may start."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from catalog.assets.archive import read_archive
from catalog.assets.check import example_paths
from catalog.assets.located import DocumentRefusedError, load_json


class Example(BaseModel):
    """One example: ``inputs`` fit the asset's schema and leave out what stays at its default."""

    name: str
    inputs: dict[str, Any]


class ExampleShelf:
    """Keeps what was read out of archives, by the digest of each, so that a form that is sent again reads nothing.

    ``most_bytes`` bounds what is kept, as JSON; what was asked for longest ago goes first. Any thread may call.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._size = most_bytes, 0
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def examples(self, digest: str, archive: Callable[[], bytes]) -> list[Example]:
        """Return the examples of the archive of a digest; ``archive`` reads it where they are not known yet."""
        with self._lock:
            text = self._kept.get(digest)
            if text is not None:
                self._kept.move_to_end(digest)
        if text is not None:
            return [Example.model_validate(each) for each in json.loads(text)]
        found = examples_in(archive())
        self._keep(digest, json.dumps([each.model_dump(mode="json") for each in found]))
        return found

    def _keep(self, digest: str, text: str) -> None:
        size = len(digest) + len(text)
        if size > self._most_bytes:
            return
        with self._lock:
            if digest in self._kept:
                return
            self._kept[digest] = text
            self._size += size
            while self._size > self._most_bytes:
                gone, old = self._kept.popitem(last=False)
                self._size -= len(gone) + len(old)


SHELF = ExampleShelf(8 * 1024 * 1024)
"""What this process keeps: an archive never changes under its digest, and who may see it is asked each time."""


def examples_in(data: bytes) -> list[Example]:
    """Return the examples of a published archive, ``default`` first and the others by name."""
    archive = read_archive(data)
    found = []
    for path in example_paths(archive):
        try:
            inputs = load_json(archive.read(path), path)
        except DocumentRefusedError:
            continue
        if isinstance(inputs, dict):
            found.append(Example(name=path.split("/")[1], inputs=inputs))
    return sorted(found, key=lambda each: (each.name != "default", each.name))
