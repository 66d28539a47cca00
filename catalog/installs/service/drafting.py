"""Drafts: what is asked for, looked up and checked as the marketplace is now, before anything is compared."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.assets.compatibility import Bump
from catalog.assets.compatibility.verdict import Faces, compare
from catalog.assets.errors import VersionNotSelectableError
from catalog.assets.inputs import HIDDEN, InvalidInputsError, secret_pointers
from catalog.assets.installation import installation
from catalog.assets.kinds import kinds
from catalog.assets.life import MEANINGS, Choice, Running, words
from catalog.assets.models import AssetVersion
from catalog.assets.references import AssetReference, parse_reference
from catalog.assets.resolver import ResolveAssets
from catalog.assets.versions import allows, parse_constraint, parse_version
from catalog.attestations.service import SupplyChainAttestationService
from catalog.errors import FieldError, InvalidInputError, SlipwayError
from catalog.forms.pointers import pointer_to
from catalog.installs import queries, rules
from catalog.installs.errors import UpgradeRefusedError
from catalog.installs.models import Action, InstallPlan, InstallRevision, InstallState
from catalog.installs.service.base import Base
from catalog.overlays.service import OverlayService

MOST_STEPS = 50
NO_INPUTS = frozenset({"pin"})
"""What takes no inputs, whatever the asset's schema says: they are given where the component is used."""


@dataclass(frozen=True)
class Draft:
    """What a plan is about: ``head`` is the part of its document that is known without looking at the outside.

    ``inputs`` are complete, secrets and all, for workers only. ``base`` is the revision that it starts from,
    ``applied`` the one that is there now, None where nothing is. ``known`` names what was rendered before.
    """

    plan_id: UUID
    tenant_id: UUID
    install_id: UUID | None
    action: Action
    head: dict[str, Any]
    version: AssetVersion
    inputs: dict[str, Any]
    base: InstallRevision | None
    applied: InstallRevision | None
    conflicts: Mapping[str, str]
    known: Mapping[str, str]
    actor: str
    created_by: str


class Drafting(Base):
    """From what was asked for to a draft; the same question about the same world gives the same draft."""

    def draft(self, plan: InstallPlan) -> Draft:
        """Return the draft of a plan as the marketplace is now; raise ``SlipwayError`` where it is refused."""
        asked, base = plan.asked, self._base(plan)
        applied = self._applied(plan)
        if plan.action in {Action.ROLLBACK, Action.UNINSTALL}:
            lock, version, given, inputs = self._again(plan, base)
        else:
            lock, version, given, inputs = self._anew(plan, base)
        shown = self._with_references(given, inputs, version.input_schema)
        manifest = version.manifest
        effect = installation(kinds()[version.kind].install(manifest), manifest)
        head: dict[str, Any] = {
            "action": str(plan.action),
            **{name: asked[name] for name in ("name", "owner", "labels", "becomes", "place", "target")},
            "asset": f"{version.namespace}/{version.name}",
            "version": version.version,
            "kind": version.kind,
            "digest": f"sha256:{version.blob_digest}",
            "lock": lock,
            "given": given,
            "inputs": shown,
            "input_changes": self._input_changes(version, shown, base),
            "base": None if base is None else {"number": base.number, "digest": base.content_digest},
            "applied": None if applied is None else applied.number,
            "revision": asked.get("revision"),
            "effects": [{"title": each.title, "text": each.text} for each in effect.effects],
            "permissions": [{"name": name, "meaning": meaning} for name, meaning in effect.permissions],
            "capabilities": list(effect.capabilities),
            "conflicts": dict(asked.get("conflicts", {})),
            "verification": self._verification(plan.tenant_id, version),
            **self._overlay(plan, version, inputs),
        }
        return Draft(
            plan.id,
            plan.tenant_id,
            plan.install_id,
            plan.action,
            head,
            version,
            inputs,
            base,
            applied,
            asked.get("conflicts", {}),
            plan.evidence.get("render", {}),
            plan.actor,
            plan.created_by,
        )

    def _anew(
        self, plan: InstallPlan, base: InstallRevision | None
    ) -> tuple[list[dict[str, Any]], AssetVersion, dict[str, Any], dict[str, Any]]:
        asked = plan.asked
        lock = self._resolve(plan.tenant_id, f"{asked['asset']}=={asked['version']}", asked["lock"])
        namespace, _, name = asked["asset"].partition("/")
        version = self._assets.version(plan.tenant_id, namespace, name, asked["version"])
        given = dict(asked["given"])
        inputs = {} if asked["becomes"] in NO_INPUTS else self._complete(plan.tenant_id, version, given, base)
        return lock, version, given, inputs

    def _again(
        self, plan: InstallPlan, base: InstallRevision | None
    ) -> tuple[list[dict[str, Any]], AssetVersion, dict[str, Any], dict[str, Any]]:
        """Return what a revision of before consists of, if its versions may still be used."""
        if plan.install_id is None or base is None:
            raise UpgradeRefusedError("There is nothing to go back to.")
        number = plan.asked.get("revision") if plan.action is Action.ROLLBACK else None
        content = (base if number is None else self._revision(plan.tenant_id, plan.install_id, number)).content
        namespace, _, name = content["asset"].partition("/")
        version = self._assets.version(plan.tenant_id, namespace, name, content["version"])
        if plan.action is Action.ROLLBACK:
            self._hold_to_states(plan.tenant_id, content["lock"])
        opened = self._opened(plan.tenant_id, content["inputs"])
        return content["lock"], version, content["given"], opened

    def _hold_to_states(self, tenant_id: UUID, lock: Sequence[Mapping[str, Any]]) -> None:
        for entry in lock:
            namespace, _, name = entry["asset"].partition("/")
            found = self._assets.version(tenant_id, namespace, name, entry["version"])
            meaning = MEANINGS[found.state]
            if meaning.choice is Choice.NEVER or meaning.running is Running.HELD:
                detail = f"{entry['asset']} {entry['version']} is {words(found.state)}: {found.state_reason or ''}"
                fix = "Choose another revision, or upgrade to a version that may be used."
                raise UpgradeRefusedError(f"{detail.rstrip(': ')}. {fix}", [FieldError("/revision", detail)])

    def _resolve(
        self, tenant_id: UUID, reference: str, locked: Sequence[Mapping[str, Any]], *, rises: bool = False
    ) -> list[dict[str, Any]]:
        """Return the lock of a reference; ``locked`` stays as it is, or may rise where ``rises`` says so.

        What is pinned for the tenant takes the place of any other version of it.
        """
        upgrade = ["*"] if rises else []
        present = [{"asset": each["asset"], "version": each["version"]} for each in locked]

        def resolved(requirements: Sequence[str]) -> list[dict[str, Any]]:
            wanted = ResolveAssets.model_validate(
                {"requirements": list(requirements), "lock": present, "upgrade": upgrade}
            )
            return [each.as_json() for each in self._assets.resolve_all(tenant_id, wanted).lock]

        try:
            lock = resolved([reference])
            pinned = [each for each in self._pins(tenant_id) if each.partition("==")[0] in {e["asset"] for e in lock}]
            own = parse_reference(reference)
            pinned = [each for each in pinned if each.partition("==")[0] != f"{own.namespace}/{own.name}"]
            return resolved([reference, *pinned]) if pinned else lock
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/asset", error.detail)]) from None

    def _pins(self, tenant_id: UUID) -> list[str]:
        """Return what is pinned for the whole tenant, as references."""
        installs = [
            each
            for each in queries.of(self._session, tenant_id, "pin")
            if each.applied_revision is not None and each.state is not InstallState.REMOVED
        ]
        found = queries.current_revisions(self._session, tenant_id, installs)
        return [f"{each.content['asset']}=={each.content['version']}" for each in found.values()]

    def _complete(
        self, tenant_id: UUID, version: AssetVersion, given: Mapping[str, Any], base: InstallRevision | None
    ) -> dict[str, Any]:
        """Return complete inputs, secrets and all; what cannot change stays as it is."""
        _keep_secret(version, given)
        narrowed = OverlayService(self._session).over(tenant_id, version)
        opened = self._opened(tenant_id, given)
        immutable = (version.manifest.get("inputs") or {}).get("immutable", ())
        before = {} if base is None else self._opened(tenant_id, base.content["inputs"])
        for pointer in immutable if base is not None else ():
            if rules.at(opened, pointer) is None and rules.at(before, pointer) is not None and pointer.count("/") == 1:
                rules.put(opened, pointer, rules.at(before, pointer))
        try:
            inputs = narrowed.complete(opened)
        except InvalidInputsError as error:
            raise _explained(error, version, base) from None
        changed = [
            FieldError(f"/inputs{pointer}", "It was decided with the first install and cannot change. Install anew.")
            for pointer in immutable
            if base is not None and rules.at(before, pointer) not in (None, rules.at(inputs, pointer))
        ]
        if changed:
            raise UpgradeRefusedError("Some inputs cannot change: see each field.", changed)
        return inputs

    def _overlay(self, plan: InstallPlan, version: AssetVersion, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the tenant narrows of the version, and where what was there before departs from it."""
        narrowed = OverlayService(self._session).over(plan.tenant_id, version)
        if plan.action is Action.UNINSTALL or not narrowed.rules:
            return {}
        departs = [f"/inputs{each.pointer}" for each in narrowed.misfits]
        if plan.action is Action.ROLLBACK and not departs:
            try:
                narrowed.complete(inputs)
            except InvalidInputsError as error:
                departs = [each.pointer for each in error.errors]
        rules = [{"pointer": each.pointer, "reason": each.reason} for each in narrowed.rules]
        return {"overlay": {"revision": narrowed.revision, "rules": rules, "departs": departs}}

    def _with_references(
        self, given: Mapping[str, Any], inputs: Mapping[str, Any], schema: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return complete inputs with references in the place of secrets; a default that is secret is left out."""
        shown = rules.without(inputs, list(secret_pointers(schema or {})))
        for pointer in secret_pointers(schema or {}):
            reference = rules.at(given, pointer)
            if reference is not None and rules.at(inputs, pointer) is not None:
                rules.put(shown, pointer, reference)
        return shown

    def _seal_inputs(
        self, tenant_id: UUID, schema: Mapping[str, Any], given: Mapping[str, Any], before: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what was given with each secret sealed; one that is as before keeps its reference.

        Raises ``InvalidInputError`` for a reference that this install does not have already.
        """
        if not set(rules.references(given)) <= set(rules.references(before)):
            detail = "A secret is given by its value. A reference counts only where this install has it already."
            raise InvalidInputError(detail, [FieldError("/inputs", detail)])
        sealed = deepcopy(dict(given))
        for pointer in secret_pointers(schema):
            value, known = rules.at(sealed, pointer), rules.at(before, pointer)
            if value is None or _is_reference(value):
                continue
            # What becomes secret as a whole may have had a secret inside.
            whole = self._opened(tenant_id, {"it": value})["it"]
            same = _is_reference(known) and self._opened(tenant_id, {"it": known})["it"] == whole
            rules.put(sealed, pointer, known if same else self._seal(tenant_id, whole))
        return sealed

    def _input_changes(
        self, version: AssetVersion, inputs: Mapping[str, Any], base: InstallRevision | None
    ) -> list[dict[str, Any]]:
        """Return how the inputs differ from those of before: by the schema, and by value."""
        if base is None:
            return []
        before = self._version_of(version.tenant_id, base)
        found: list[dict[str, Any]] = []
        if before is not None and before.id != version.id:
            faces = [Faces.of(each.manifest, each.input_schema or {}, {}) for each in (before, version)]
            found += [
                {"pointer": each.pointer, "what": each.what, "message": each.message, "breaks": each.bump is Bump.MAJOR}
                for each in compare(*faces)
                if each.side == "inputs"
            ]
        for name in sorted({*base.content["inputs"], *inputs}):
            old, new = base.content["inputs"].get(name), inputs.get(name)
            if old != new:
                known = [HIDDEN if old is not None and _is_reference(new) else rules.shown(old), rules.shown(new)]
                found.append({"pointer": pointer_to([name]), "what": "value", "before": known[0], "after": known[1]})
        return found

    def _version_of(self, tenant_id: UUID, revision: InstallRevision) -> AssetVersion | None:
        namespace, _, name = revision.content["asset"].partition("/")
        del tenant_id
        try:
            return self._assets.version(revision.tenant_id, namespace, name, revision.content["version"])
        except SlipwayError:
            return None

    def _verification(self, tenant_id: UUID, version: AssetVersion) -> dict[str, Any]:
        """Return what is proven about the version's bytes under the tenant's trust policy."""
        service = SupplyChainAttestationService(self._session, self._settings)
        found = service.assess_digest(tenant_id, version.blob_digest, "asset", version.tenant_id)
        return {
            "trusted": found.trusted,
            "policy_version": found.policy_version,
            "met": list(found.met),
            "missing": [{"evidence": each.evidence, "detail": each.detail, "fix": each.fix} for each in found.missing],
        }

    def _choose_upgrade(self, tenant_id: UUID, base: InstallRevision, wanted: str | None) -> str:
        """Return the version that an upgrade leads to; raise ``UpgradeRefusedError`` that says why there is none."""
        asset = base.content["asset"]
        namespace, _, name = asset.partition("/")
        present = parse_version(base.content["version"])
        if wanted is not None:
            exact = wanted if wanted[:1] in "<>=~!^@" else f"=={wanted}"
            chosen = self._assets.resolve(tenant_id, parse_reference(f"{asset}{exact}", "/version"))
            number = parse_version(chosen.version)
            if number < present:
                raise _refused(
                    f"{number} is older than {present}, which is installed. Go back with a rollback to a revision."
                )
            if number != present and not _reaches(chosen, base):
                raise _refused(self._way(tenant_id, asset, base, chosen))
            return chosen.version
        try:
            newest = self._assets.resolve(tenant_id, AssetReference(namespace, name, parse_constraint("")))
        except VersionNotSelectableError as error:
            raise _refused(error.detail) from None
        for candidate in [newest, *self._above(tenant_id, asset, present, below=newest)]:
            if parse_version(candidate.version) > present and _reaches(candidate, base):
                return candidate.version
        if parse_version(newest.version) > present:
            raise _refused(self._way(tenant_id, asset, base, newest))
        return str(present)

    def _above(self, tenant_id: UUID, asset: str, present: Any, below: AssetVersion) -> list[AssetVersion]:
        """Return the versions between, newest first, that may be chosen like any other."""
        namespace, _, name = asset.partition("/")
        numbers = sorted(
            (
                each.number
                for each in self._assets.choosable(tenant_id, namespace, name)
                if present < each.number < parse_version(below.version)
                and MEANINGS[each.state].choice in {Choice.FIRST, Choice.LAST}
                and not each.number.is_prerelease
            ),
            reverse=True,
        )
        return [self._assets.version(tenant_id, namespace, name, each.canonical) for each in numbers[:MOST_STEPS]]

    def _way(self, tenant_id: UUID, asset: str, base: InstallRevision, wanted: AssetVersion) -> str:
        """Return why a version cannot be reached, and over which one it can."""
        source = _source(wanted)
        text = f"{asset} {wanted.version} can be reached from {source} only; {base.content['version']} is installed."
        between = self._above(tenant_id, asset, parse_version(base.content["version"]), wanted)
        stone = next(
            (
                each
                for each in between
                if _reaches(each, base)
                and allows(parse_constraint(source), parse_version(each.version), prereleases=True)
            ),
            None,
        )
        return f"{text} Upgrade to {stone.version} first." if stone else f"{text} Install it anew beside this one."


def _source(version: AssetVersion) -> str:
    return str((version.manifest.get("upgrades") or {}).get("from", ""))


def _reaches(version: AssetVersion, base: InstallRevision) -> bool:
    return allows(parse_constraint(_source(version)), parse_version(base.content["version"]), prereleases=True)


def _refused(detail: str) -> UpgradeRefusedError:
    return UpgradeRefusedError(detail, [FieldError("/version", detail)])


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {rules.SECRET}


def _keep_secret(version: AssetVersion, given: Mapping[str, Any]) -> None:
    """Raise ``UpgradeRefusedError`` where a version would show what was given to one that kept it secret."""
    secret = tuple(secret_pointers(version.input_schema or {}))
    exposed = [each for each in rules.places(given) if not any(f"{each}/".startswith(f"{one}/") for one in secret)]
    if exposed:
        named = f"{version.namespace}/{version.name} {version.version}"
        detail = "It was given as a secret, and this version would show it. Give it anew, or take it away (null)."
        raise UpgradeRefusedError(
            f"{named} no longer keeps secret what was given as a secret.",
            [FieldError(f"/inputs{each}", detail) for each in exposed],
        )


def _explained(error: InvalidInputsError, version: AssetVersion, base: InstallRevision | None) -> SlipwayError:
    if base is None or base.content["version"] == version.version:
        return error
    named = f"{version.namespace}/{version.name} {version.version}"
    errors = [
        FieldError(each.pointer, f"{each.detail} Version {base.content['version']} took it.")
        if rules.at(base.content["inputs"], each.pointer.removeprefix("/inputs")) is not None
        else each
        for each in error.errors
    ]
    detail = f"{named} wants other inputs: give those that are missing, and take away (null) those it no longer knows."
    return UpgradeRefusedError(detail, errors)
