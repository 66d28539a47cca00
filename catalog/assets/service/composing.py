"""Blueprints with the blueprints that they are made of, as a lock chooses them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from catalog.assets import component_schemas, queries
from catalog.assets.blueprint_spec import PackagedComponent, Part, makes_environments, parse_deployment
from catalog.assets.errors import AssetNotFoundError
from catalog.assets.findings import Finding
from catalog.assets.models import AssetVersion, Visibility
from catalog.assets.package import Package
from catalog.assets.parts import (
    COMPONENTS,
    DEEPEST,
    Blueprint,
    PackageComponent,
    PartsError,
    addresses_of_its_own,
    check_parts,
    join,
)
from catalog.assets.resolver import ResolutionRefusedError, ResolveAssets
from catalog.assets.service.resolving import Resolving
from catalog.errors import InvalidInputError, SlipwayError
from catalog.providers.blobs import BlobStore

Lock = Sequence[Mapping[str, Any]]
KIND = "deployment-blueprint"
MOST_PARTS = 100
"""How many parts are read of one blueprint, those of its parts included: ten in ten in ten are a thousand already."""
_WIDTH = (Visibility.PRIVATE, Visibility.SHARED, Visibility.PUBLIC)


class Composing(Resolving):
    """What anyone may ask about blueprints that use others; what a tenant cannot see has no part in it."""

    def composed(
        self, tenant_id: UUID, version: AssetVersion, lock: Lock, blobs: BlobStore
    ) -> tuple[dict[str, Any], list[AssetVersion]]:
        """Return the spec of a blueprint joined with its parts, and every version that has a part in it.

        ``lock`` is what the blueprint resolved to. Raises ``InvalidInputError`` where the parts do not fit: a range in
        a manifest may have let in a version that takes or tells something else than those before.
        """
        used: dict[UUID, AssetVersion] = {version.id: version}
        whole = _Reader(self, tenant_id, lock, blobs, used).blueprint(version, 0)
        if not whole.parts:
            return dict(version.manifest["spec"]), [version]
        problems = [each.message for each in _all_misfits(whole)]
        try:
            spec = join(whole) if not problems else {}
        except PartsError as error:
            problems = [str(error)]
        if problems:
            raise InvalidInputError(f"The parts of {whole.label} do not fit each other. {problems[0]}")
        return spec, list(used.values())

    def check_use(self, tenant_id: UUID, package: Package, blobs: BlobStore) -> list[Finding]:
        """Return what is wrong with how a package uses other assets, as its publisher sees them at this moment."""
        manifest = package.document.value
        if package.manifest.kind != KIND or not makes_environments(manifest):
            return []
        environment = parse_deployment(manifest).environment
        if environment is None or not environment.parts:
            return []
        metadata = package.manifest.metadata
        needed = {each.alias: each for each in package.manifest.dependencies if not each.optional}
        asked = [f"{each.asset}{each.version}" for each in needed.values()]
        place = ("dependencies",)
        try:
            lock = [each.as_json() for each in self.resolve_all(tenant_id, ResolveAssets(requirements=asked)).lock]
            reader = _Reader(self, tenant_id, lock, blobs, {})
            parts = {name: reader.part(needed[each.uses].asset, each, 1) for name, each in environment.parts.items()}
        except ResolutionRefusedError as error:
            fix = "Publish what is missing first, or widen the range."
            return [package.finding("part-unresolved", place, error.detail, fix)]
        except InvalidInputError as error:
            return [package.finding("part-unusable", place, error.detail, "Use another version, or another asset.")]
        label = f"{metadata.namespace}/{metadata.name}"
        whole = Blueprint(label, manifest, package.input_schema, package.output_schema, parts)
        found = [package.finding("wiring-type", each.place, each.message, each.fix) for each in check_parts(whole)]
        try:
            join(whole) if not found else None
        except PartsError as error:
            fix = "Leave something out, or give the parts shorter names."
            found.append(package.finding("parts", COMPONENTS, str(error), fix))
        return found

    def warn_of_use(self, tenant_id: UUID, package: Package, visibility: Visibility | None) -> list[Finding]:
        """Return a warning for each of the tenant's own assets that a package uses and fewer may see than it.

        ``visibility`` is what the package will have, None where it keeps that of its asset.
        """
        if not package.manifest.dependencies:
            return []
        metadata = package.manifest.metadata
        asset = queries.own_asset(self._session, tenant_id, metadata.namespace, metadata.name)
        own = visibility or (asset.visibility if asset is not None else Visibility.PRIVATE)
        found: list[Finding] = []
        for index, each in enumerate(package.manifest.dependencies):
            namespace, _, name = each.asset.partition("/")
            needed = queries.own_asset(self._session, tenant_id, namespace, name)
            if needed is None or each.optional or _WIDTH.index(needed.visibility) >= _WIDTH.index(own):
                continue
            place = ("dependencies", index)
            message = f"{each.asset} is {needed.visibility}, so others see this asset and cannot use it."
            finding = package.finding("hidden-need", place, message, f"Let {each.asset} be {own}, too.")
            found.append(replace(finding, level="warning"))
        return found


@dataclass(frozen=True)
class _Reader:
    """Reads what a blueprint is made of, as a lock chooses it; ``used`` gathers the versions that have a part in it."""

    assets: Composing
    tenant_id: UUID
    lock: Lock
    blobs: BlobStore
    used: dict[UUID, AssetVersion]
    budget: Iterator[int] = field(default_factory=lambda: iter(range(MOST_PARTS)))

    def blueprint(self, version: AssetVersion, depth: int) -> Blueprint:
        """Return a version with everything that it is made of; raise ``InvalidInputError`` where it is no blueprint."""
        label = f"{version.namespace}/{version.name} {version.version}"
        if version.kind != KIND or not makes_environments(version.manifest):
            raise InvalidInputError(f"{label} says nothing of environments.")
        if depth > DEEPEST:
            raise InvalidInputError("The blueprints stand in each other too deep.")
        self.used[version.id] = version
        aliases = {each.get("alias"): each["asset"] for each in version.manifest.get("dependencies", ())}
        environment = parse_deployment(version.manifest).environment
        parts = {} if environment is None else environment.parts
        made = {name: self.part(aliases[each.uses], each, depth + 1) for name, each in parts.items()}
        whole = Blueprint(label, version.manifest, version.input_schema or {}, version.output_schema or {}, made)
        self._require_given(version, whole)
        return whole

    def _require_given(self, version: AssetVersion, whole: Blueprint) -> None:
        """Raise where another publisher chose a repository: it is opened with the rights of whoever asks."""
        if version.tenant_id == self.tenant_id:
            return
        try:
            chosen = addresses_of_its_own(whole)
        except PartsError as error:
            raise InvalidInputError(str(error)) from None
        if chosen:
            detail = f"{whole.label} of another publisher says itself which repository {chosen[0]} is."
            raise InvalidInputError(f"{detail} It may only take the address from an input that has no default.")

    def part(self, asset: str, component: Part, depth: int) -> Blueprint | PackageComponent:
        """Return what a part is, of the version that the lock chose."""
        if next(self.budget, None) is None:
            raise InvalidInputError(f"It is made of more than {MOST_PARTS} parts.")
        version = self._locked(asset)
        if isinstance(component, PackagedComponent):
            return self._component(version, component.component)
        return self.blueprint(version, depth)

    def _component(self, version: AssetVersion, wanted: str | None) -> PackageComponent:
        label = f"{version.namespace}/{version.name} {version.version}"
        self.used[version.id] = version
        which = (version.namespace, version.name, version.version)
        try:
            _, data = self.assets.artifact(self.tenant_id, which, component_schemas.ARTIFACT, self.blobs)
            schema = json.loads(data)
            inputs, outputs = component_schemas.input_schemas(schema), component_schemas.output_schemas(schema)
        except (SlipwayError, ValueError):
            raise InvalidInputError(f"What the components of {label} take and tell could not be read.") from None
        name = wanted or (next(iter(inputs)) if len(inputs) == 1 else None)
        if name not in inputs:
            known = ", ".join(sorted(inputs))
            raise InvalidInputError(
                f"{label} has no component {name}. It has {known}." if name else f"Say which: {known}."
            )
        asset = f"{version.namespace}/{version.name}"
        taken = component_schemas.with_secrets(
            inputs[name], version.input_schema or {}, None if len(inputs) == 1 else name
        )
        return PackageComponent(f"{name} of {label}", asset, name, taken, outputs[name])

    def _locked(self, asset: str) -> AssetVersion:
        namespace, _, name = asset.partition("/")
        chosen = next((each["version"] for each in self.lock if each["asset"] == asset), None)
        if chosen is None:
            raise InvalidInputError(f"{asset} is not in the lock.")
        try:
            return self.assets.version(self.tenant_id, namespace, name, chosen)
        except AssetNotFoundError:
            raise InvalidInputError(f"{asset} {chosen} is not there any more.") from None


def _all_misfits(whole: Blueprint) -> list[Any]:
    """Return the misfits of a blueprint and of everything inside it."""
    return [*check_parts(whole), *(found for part in whole.blueprints.values() for found in _all_misfits(part))]
