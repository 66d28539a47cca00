"""The manifest of a package, ``asset.yaml``: its shape, and reading it with a finding for everything wrong."""

from typing import Annotated, Any, Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, Field, StringConstraints

from catalog.assets.constraints import suggested
from catalog.assets.errors import InvalidConstraintError, InvalidVersionError
from catalog.assets.references import NAME_PATTERN, is_name
from catalog.assets.shapes import Shape
from catalog.assets.versions import canonical_constraint, parse_constraint, parse_version

API_VERSION = "slipway/v1"
ARCHETYPES = ("microservice", "gateway", "ui", "library", "worker")

Archetype = Literal["microservice", "gateway", "ui", "library", "worker"]


def _version(text: str) -> str:
    try:
        parse_version(text)
    except InvalidVersionError as error:
        raise ValueError(f"{error.reason} {error.fix}") from None
    return text


def _constraint(text: str) -> str:
    try:
        return canonical_constraint(parse_constraint(text))
    except InvalidConstraintError as error:
        meant = suggested(text)
        fix = error.fix if meant is None else f"Write {meant}, which means the same."
        raise ValueError(f"{error.reason} {fix}") from None


def _license(text: str) -> str:
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        raise ValueError("This is not an SPDX license expression. Write one such as Apache-2.0.") from None


def _asset(text: str) -> str:
    namespace, slash, name = text.partition("/")
    if not slash or not is_name(namespace) or not is_name(name):
        raise ValueError("This does not name an asset. Write namespace/name.")
    return text


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=160, pattern=r"^[^\r\n]*$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[^\r\n]*$")]
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s]+$")]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
VersionText = Annotated[str, StringConstraints(max_length=64), AfterValidator(_version)]
ConstraintText = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_constraint)]
LicenseText = Annotated[str, StringConstraints(max_length=200), AfterValidator(_license)]
AssetText = Annotated[str, StringConstraints(max_length=127), AfterValidator(_asset)]
Pointer = Annotated[str, StringConstraints(max_length=200, pattern=r"^(?:/[^\r\n]*)+$")]


class Link(Shape):
    """A named address that the asset's page shows."""

    name: Word
    url: Url


class Maintainer(Shape):
    """Whom to turn to."""

    name: Word
    email: Email | None = None


class Change(Shape):
    """One entry of the structured changelog of this version."""

    kind: Literal["added", "changed", "deprecated", "removed", "fixed", "security"]
    description: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Metadata(Shape):
    """What the asset is called and what it is for."""

    namespace: Name
    name: Name
    version: VersionText
    display_name: Word
    summary: Line
    license: LicenseText
    keywords: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    archetypes: Annotated[tuple[Archetype, ...], Field(max_length=5)] = ()
    links: Annotated[tuple[Link, ...], Field(max_length=20)] = ()
    maintainers: Annotated[tuple[Maintainer, ...], Field(max_length=20)] = ()
    changes: Annotated[tuple[Change, ...], Field(max_length=100)] = ()


class Requires(Shape):
    """What must be there before an install: a version of Slipway, connections, and permissions shown beforehand."""

    slipway: ConstraintText | None = None
    capabilities: Annotated[tuple[Word, ...], Field(max_length=50)] = ()
    permissions: Annotated[tuple[Word, ...], Field(max_length=50)] = ()


class Dependency(Shape):
    """Another asset that this one builds on."""

    asset: AssetText
    kind: Word
    version: ConstraintText
    alias: Name | None = None
    optional: bool = False


class Upgrades(Shape):
    """From which installed versions this one can be reached."""

    from_: Annotated[ConstraintText, Field(alias="from")]


class Inputs(Shape):
    """Where the schema of the inputs and the hints for its form are; ``immutable`` lists JSON pointers."""

    schema_: Annotated[Literal["inputs.schema.json"], Field(alias="schema")] = "inputs.schema.json"
    ui: Literal["inputs.ui.json"] | None = None
    immutable: Annotated[tuple[Pointer, ...], Field(max_length=100)] = ()


class Outputs(Shape):
    """Where the schema of the outputs is."""

    schema_: Annotated[Literal["outputs.schema.json"], Field(alias="schema")] = "outputs.schema.json"


class Manifest(Shape):
    """The manifest as a whole; ``spec`` is what the asset's kind says it is."""

    api_version: Literal["slipway/v1"]
    kind: Word
    metadata: Metadata
    requires: Requires = Requires()
    dependencies: Annotated[tuple[Dependency, ...], Field(max_length=100)] = ()
    upgrades: Upgrades | None = None
    inputs: Inputs | None = None
    outputs: Outputs | None = None
    spec: dict[str, Any]
