"""The component of a package that an install is about: its wheel, its inputs, and which of them are secret."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from sqlmodel import Session

from catalog.assets import component_schemas
from catalog.assets.check import check_archive
from catalog.assets.inputs import without_secrets
from catalog.assets.models import AssetVersion
from catalog.assets.service import AssetService
from catalog.errors import SlipwayError
from catalog.providers.blobs import BlobError, open_blobs
from catalog.settings import Settings
from catalog.stacks.graph import texts_in
from workers.engine import ComponentProgram, StackProgram
from workers.installers import Bench, InstallRefusedError


class Source(Protocol):
    """Where versions are found: ``session`` begins a unit of work of the tenant."""

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        ...

    @property
    def session(self) -> Callable[[], AbstractContextManager[Session]]:
        """What begins a unit of work."""
        ...


SHORTEST_SECRET = 4
"""Secret inputs of fewer characters are not looked for in the graph: they stand everywhere by chance."""


@dataclass(frozen=True)
class Component:
    """One component with its complete inputs; ``secrets`` are texts among them that nobody may see."""

    name: str
    wheel_name: str
    wheel: bytes = field(repr=False)
    inputs: Mapping[str, Any] = field(repr=False)
    secret_inputs: tuple[str, ...]
    secrets: frozenset[str] = field(repr=False)
    outputs: tuple[str, ...]

    @contextmanager
    def program(self, resource: str, settings: Settings) -> Iterator[StackProgram]:
        """Yield the program that makes the component as the resource of that name, while its wheel lies in a file."""
        with tempfile.TemporaryDirectory(prefix="slipway-wheel-") as folder:
            place = Path(folder) / self.wheel_name
            place.write_bytes(self.wheel)
            component = ComponentProgram(
                wheel=str(place),
                component=self.name,
                name=resource,
                inputs=self.inputs,
                secret_inputs=self.secret_inputs,
                providers=settings.component_providers,
            )
            yield StackProgram(resources=(), component=component)


def chosen_component(
    version: AssetVersion, inputs: Mapping[str, Any], target: Mapping[str, Any], tenant_id: UUID, bench: Bench
) -> Component:
    """Return the component that a target names, or the only one; raise ``InstallRefusedError`` that names them all.

    ``inputs`` are complete. A package of several components takes them below the component's name.
    """
    schema = package_schema(version, tenant_id, bench)
    known = component_schemas.input_schemas(schema)
    wanted = target.get("component") or (next(iter(known)) if len(known) == 1 else "")
    if wanted not in known:
        names = ", ".join(sorted(known))
        raise InstallRefusedError(f"Name one of the package's components: {names}.")
    own = dict(inputs) if len(known) == 1 else dict(inputs.get(wanted) or {})
    whole = version.input_schema or {}
    part = whole if len(known) == 1 else {**whole, **whole.get("properties", {}).get(wanted, {})}
    hidden = set(texts_in(own)) - set(texts_in(without_secrets(part, own)))
    outputs = component_schemas.output_schemas(schema)[wanted].get("properties", {})
    wheel_name, wheel = wheel_of(version, bench.settings)
    return Component(
        wanted,
        wheel_name,
        wheel,
        own,
        secret_inputs(version, schema, wanted),
        frozenset(each for each in hidden if len(each) >= SHORTEST_SECRET),
        tuple(sorted(outputs)),
    )


def hold_to_state(settings: Settings) -> None:
    """Raise ``InstallRefusedError`` where plugins of providers would see the credentials of the engine's state."""
    if not settings.state_backend_url.startswith("file:"):
        raise InstallRefusedError(
            "Components are made as stacks only where the engine keeps its state in files: an object storage's "
            "credentials would be seen by what the component uses. Pin the package instead."
        )


def secret_inputs(version: AssetVersion, schema: Mapping[str, Any], component: str) -> tuple[str, ...]:
    """Return the names of a component's inputs that nobody may see, or that hold something of the sort."""
    known = component_schemas.input_schemas(schema)
    only = None if len(known) == 1 else component
    marked = component_schemas.with_secrets(known[component], version.input_schema or {}, only)["properties"]
    return tuple(sorted(name for name, each in marked.items() if component_schemas.is_secret(each)))


def package_schema(version: AssetVersion, tenant_id: UUID, bench: Source) -> dict[str, Any]:
    """Return what the components of a version take and tell; raise ``InstallRefusedError`` where that is not known."""
    blobs = open_blobs(bench.settings)
    wanted = (version.namespace, version.name, version.version)
    try:
        with bench.session() as session:
            _, data = AssetService(session).artifact(tenant_id, wanted, component_schemas.ARTIFACT, blobs)
        schema: dict[str, Any] = json.loads(data)
    except (SlipwayError, ValueError):
        detail = "The types of this package's components are not known, so there is nothing to give them. "
        raise InstallRefusedError(f"{detail}Pin it, or choose a version whose types could be read.") from None
    return schema


def wheel_of(version: AssetVersion, settings: Settings) -> tuple[str, bytes]:
    """Return the name and bytes of a version's wheel; raise ``InstallRefusedError`` where it cannot be read."""
    try:
        archive = open_blobs(settings).read(version.blob_digest)
    except BlobError as error:
        raise InstallRefusedError(f"The archive of this version cannot be read: {error}.") from None
    package = check_archive(io.BytesIO(archive)).package
    if package is None:
        raise InstallRefusedError("The archive of this version cannot be read.")
    pattern = version.manifest["spec"]["wheel"]
    path = next(each for each in package.archive.under("content/dist") if fnmatchcase(each, pattern))
    return path.rpartition("/")[2], package.archive.read(path)
