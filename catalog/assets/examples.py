"""The examples of a package: inputs by a name, from which a request may start."""

from typing import Any

from pydantic import BaseModel

from catalog.assets.archive import read_archive
from catalog.assets.check import example_paths
from catalog.assets.located import DocumentRefusedError, load_json


class Example(BaseModel):
    """One example: ``inputs`` fit the asset's schema and leave out what stays at its default."""

    name: str
    inputs: dict[str, Any]


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
