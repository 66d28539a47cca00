"""What checks derive from a package: files beside the archive, each kept under its digest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LARGEST_ARTIFACT = 25 * 1024 * 1024
"""How large one derived file may be, in bytes."""
MOST_ARTIFACTS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Artifact:
    """One derived file, such as ``pulumi-schema.json``; ``media_type`` is what it is served as.

    Raises ``ValueError`` for a name that cannot be a file's, or for more than `LARGEST_ARTIFACT` bytes.
    """

    name: str
    media_type: str
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"{self.name!a} cannot be the name of a derived file")
        if len(self.data) > LARGEST_ARTIFACT:
            raise ValueError(f"{self.name} has {len(self.data)} bytes, more than {LARGEST_ARTIFACT}")


@dataclass(frozen=True)
class Derived:
    """Everything that the checks of one package derived from it.

    ``input_schema`` and ``output_schema`` stand for the package's own where it brings none (None: nothing derived).
    """

    artifacts: tuple[Artifact, ...] = ()
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None


NOTHING_DERIVED = Derived()
