"""The references ``${inputs.x}``, ``${source.revision}`` and ``${web.url}`` inside a blueprint's texts."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

from catalog.assets.findings import printable

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_TOKEN = re.compile(r"\$\$\{|\$\{(?P<reference>[^{}]*)\}|\$\{")
_REFERENCE = re.compile(rf"{_NAME}(?:\.{_NAME})+")


@dataclass(frozen=True)
class Reference:
    """One reference; ``path`` has at least two parts, as in ``("inputs", "greeting")``."""

    path: tuple[str, ...]

    @property
    def root(self) -> str:
        """The first part: ``inputs``, ``source``, ``environment`` or the name of a component."""
        return self.path[0]

    def __str__(self) -> str:
        return "${" + ".".join(self.path) + "}"


Part = str | Reference


class WiringError(ValueError):
    """A ``${`` that begins no reference; the message says the fix."""


def parse_wiring(text: str) -> tuple[Part, ...]:
    """Split a text into literal pieces and references; ``$${`` stands for a literal ``${``.

    Raises `WiringError`.
    """
    parts: list[Part] = []
    literal = ""
    position = 0
    for token in _TOKEN.finditer(text):
        literal += text[position : token.start()]
        position = token.end()
        if token.group() == "$${":
            literal += "${"
            continue
        name = token["reference"]
        if name is None or _REFERENCE.fullmatch(name) is None:
            found = printable(token.group()[:80])
            raise WiringError(
                f"{found} is not a reference. Write one such as ${{inputs.name}}, or $${{ for a literal ${{."
            )
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(Reference(tuple(name.split("."))))
    literal += text[position:]
    return (*parts, literal) if literal else tuple(parts)


def references(text: str) -> tuple[Reference, ...]:
    """Return the references in a text; raise `WiringError`."""
    return tuple(part for part in parse_wiring(text) if isinstance(part, Reference))


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a document, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def fill(text: str, value_of: Callable[[Reference], str]) -> str:
    """Return the text with each reference replaced by what ``value_of`` answers for it; raise `WiringError`."""
    return "".join(value_of(part) if isinstance(part, Reference) else part for part in parse_wiring(text))


def _checked(text: str) -> str:
    try:
        parse_wiring(text)
    except WiringError as error:
        raise ValueError(str(error)) from None
    return text


WiredText = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_checked)]
"""A text with references as manifests hold it."""
