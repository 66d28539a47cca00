"""Blueprints with the blueprints that they are made of, as a lock chooses them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from catalog.assets import queries
from catalog.assets.blueprint_spec import makes_environments, parse_deployment
from catalog.assets.errors import AssetNotFoundError
from catalog.assets.findings import Finding
from catalog.assets.models import AssetVersion, Visibility
from catalog.assets.package import Package
from catalog.assets.parts import COMPONENTS, DEEPEST, Blueprint, PartsError, check_parts, join
from catalog.assets.resolver import ResolutionRefusedError, ResolveAssets
from catalog.assets.service.resolving import Resolving
from catalog.errors import InvalidInputError

Lock = Sequence[Mapping[str, Any]]
KIND = "deployment-blueprint"
_WIDTH = (Visibility.PRIVATE, Visibility.SHARED, Visibility.PUBLIC)


class Composing(Resolving):
    """What anyone may ask about blueprints that use others; what a tenant cannot see has no part in it."""

    def composed(self, tenant_id: UUID, version: AssetVersion, lock: Lock) -> tuple[dict[str, Any], list[AssetVersion]]:
        """Return the spec of a blueprint joined with its parts, and every version that has a part in it.

        ``lock`` is what the blueprint resolved to. Raises ``InvalidInputError`` where the parts do not fit: a range in
        a manifest may have let in a version that takes or tells something else than those before.
        """
        used: dict[UUID, AssetVersion] = {version.id: version}
        whole = self._blueprint(tenant_id, version, lock, used, 0)
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

    def check_use(self, tenant_id: UUID, package: Package) -> list[Finding]:
        """Return what is wrong with how a package uses other blueprints, as its publisher sees them at this moment."""
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
            parts = {
                name: self._blueprint(tenant_id, self._locked(tenant_id, needed[each.uses].asset, lock), lock, {}, 1)
                for name, each in environment.parts.items()
            }
        except ResolutionRefusedError as error:
            fix = "Publish what is missing first, or widen the range."
            return [package.finding("part-unresolved", place, error.detail, fix)]
        except InvalidInputError as error:
            return [package.finding("part-unusable", place, error.detail, "Use another version, or another blueprint.")]
        label = f"{metadata.namespace}/{metadata.name}"
        whole = Blueprint(label, manifest, package.input_schema, package.output_schema, parts)
        found = [package.finding("wiring-type", each.place, each.message, each.fix) for each in check_parts(whole)]
        try:
            join(whole) if not found else None
        except PartsError as error:
            fix = "Leave something out, or give the parts shorter names."
            found.append(package.finding("parts", COMPONENTS, str(error), fix))
        return found

    def hidden_needs(self, tenant_id: UUID, package: Package, visibility: Visibility | None) -> list[Finding]:
        """Return a warning for each asset of the tenant's that a package needs and that fewer may see than it.

        ``visibility`` is what the package will have, None where it keeps that of its asset.
        """
        metadata = package.manifest.metadata
        asset = queries.own_asset(self._session, tenant_id, metadata.namespace, metadata.name)
        own = visibility or (asset.visibility if asset is not None else Visibility.PRIVATE)
        found = []
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

    def _blueprint(
        self, tenant_id: UUID, version: AssetVersion, lock: Lock, used: dict[UUID, AssetVersion], depth: int
    ) -> Blueprint:
        label = f"{version.namespace}/{version.name} {version.version}"
        if version.kind != KIND or not makes_environments(version.manifest):
            raise InvalidInputError(f"{label} says nothing of environments.")
        if depth > DEEPEST:
            raise InvalidInputError("The blueprints stand in each other too deep.")
        used[version.id] = version
        aliases = {each.get("alias"): each["asset"] for each in version.manifest.get("dependencies", ())}
        environment = parse_deployment(version.manifest).environment
        parts = {} if environment is None else environment.parts
        return Blueprint(
            label,
            version.manifest,
            version.input_schema or {},
            version.output_schema or {},
            {
                name: self._blueprint(
                    tenant_id, self._locked(tenant_id, aliases[each.uses], lock), lock, used, depth + 1
                )
                for name, each in parts.items()
            },
        )

    def _locked(self, tenant_id: UUID, asset: str, lock: Lock) -> AssetVersion:
        namespace, _, name = asset.partition("/")
        chosen = next((each["version"] for each in lock if each["asset"] == asset), None)
        if chosen is None:
            raise InvalidInputError(f"{asset} is not in the lock.")
        try:
            return self.version(tenant_id, namespace, name, chosen)
        except AssetNotFoundError:
            raise InvalidInputError(f"{asset} {chosen} is not there any more.") from None


def _all_misfits(whole: Blueprint) -> list[Any]:
    """Return the misfits of a blueprint and of everything inside it."""
    return [*check_parts(whole), *(found for part in whole.parts.values() for found in _all_misfits(part))]
