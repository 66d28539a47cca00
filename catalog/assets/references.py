"""How one asset is named by another, by a request or on the command line: ``namespace/name`` and a constraint."""

import re
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from catalog.assets.constraints import translate
from catalog.assets.errors import InvalidConstraintError, InvalidReferenceError
from catalog.assets.versions import canonical_constraint
from catalog.errors import FieldError

NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
"""Namespaces and asset names; as a JSON Schema pattern it means the same."""

_NAME = re.compile(NAME_PATTERN.removesuffix("$"))
_REFERENCE = re.compile(r"([^/\s<>=!~@^\[(]+)/([^/\s<>=!~@^\[(]+)\s*(.*)", re.DOTALL)


@dataclass(frozen=True)
class AssetReference:
    """An asset and which of its versions may be chosen."""

    namespace: str
    name: str
    constraint: SpecifierSet

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}{canonical_constraint(self.constraint)}"


def is_name(text: str) -> bool:
    """Tell whether ``text`` may be a namespace or the name of an asset."""
    return _NAME.fullmatch(text) is not None


def parse_reference(text: str, pointer: str = "") -> AssetReference:
    """Read ``namespace/name``, ``namespace/name>=1.2,<2``, ``namespace/name@1.4.0`` or ``namespace/name^1.2``.

    A constraint may be in any spelling that `translate` knows, with or without ``@`` in front of it. Raises
    ``InvalidReferenceError``; ``pointer`` names the field that the text came from.
    """

    def refused(detail: str) -> InvalidReferenceError:
        return InvalidReferenceError(detail, [FieldError(pointer, detail)])

    match = _REFERENCE.fullmatch(text.strip())
    if match is None or not is_name(match[1]) or not is_name(match[2]):
        raise refused(f"{text[:80]!a} does not name an asset. Write namespace/name, such as slipway/preview-web>=1.0.")
    try:
        if match[3].startswith("@") and not match[3][1:].strip():
            raise refused(f"A version is missing after @. Write {match[1]}/{match[2]}@1.4.0.")
        constraint = translate(match[3].removeprefix("@")).constraint
    except InvalidConstraintError as error:
        raise refused(error.detail) from None
    return AssetReference(match[1], match[2], constraint)
