"""The one input document: release, plan, environment, asset and evidence, joined for policies to look at.

Its shape is ``policy_input.schema.json`` beside this module, served at ``/api/v1/schemas/policy-input``. A part that
is not known is left out, never empty: whether silence is a fault is for policies to say. Secret inputs are left out by
their area already; what else looks like a secret is masked before policies see it.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.models import AssetVersion
from catalog.assets.service import AssetService
from catalog.assets.service.reading import told_to_others
from catalog.environments.models import Environment
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import NotFoundError
from catalog.gates.approvals import GrantedApprovals, ReleaseApprovals
from catalog.gates.evidence import attestations_about, sbom_about
from catalog.gates.identity import judged
from catalog.gates.plans import environment_plan
from catalog.gating import GatePoint
from catalog.installs.service import InstallService
from catalog.policies.rules import Subject
from catalog.proposals.models import Proposal
from catalog.proposals.service import ProposalService
from catalog.releases.models import Release, Service
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.stacks.graph import ResourceGraph

VERSION = 1


def input_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the input document."""
    text = files("catalog.gates").joinpath("policy_input.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


class InputService:
    """Makes the input document of a subject, from rows as they are in the session."""

    def __init__(self, session: Session, settings: Settings, approvals: ReleaseApprovals | None = None) -> None:
        self._session = session
        self._approvals = approvals or GrantedApprovals(session)
        self._settings = settings
        self._releases = ReleaseService(session)
        self._environments = EphemeralEnvironmentService(session, settings)
        self._assets = AssetService(session)
        self._installs = InstallService(session, settings)

    def gather(
        self, tenant_id: UUID, point: GatePoint | None, subject: str, actor: str
    ) -> tuple[Subject, dict[str, Any]]:
        """Return the subject that ``subject`` (``releases/<id>``) names, and the document about it.

        Raises ``NotFoundError`` where the tenant has nothing of that name.
        """
        if subject.startswith("proposals/"):
            return self._acting(tenant_id, point, UUID(subject.removeprefix("proposals/")), actor)
        area, _, identifier = subject.partition("/")
        makers = {
            "releases": self._release,
            "environments": self._environment,
            "asset-versions": self._version,
            "install-plans": self._install_plan,
        }
        if area not in makers:
            raise NotFoundError(f"There are no policies about {area}.")
        about, parts = makers[area](tenant_id, UUID(identifier), point)
        head = {"version": VERSION, "subject": about.about, "actor": actor}
        return about, {**head, **({} if point is None else {"point": str(point)}), **parts}

    def named(self, tenant_id: UUID, service: str, asset: str, point: GatePoint | None) -> Subject:
        """Return a service or an asset by name as a subject; what is not there is only a name without labels."""
        if service:
            known = self._releases.named(tenant_id, service)
            labels = {} if known is None else known.labels
            return Subject(about=f"services/{service}", point=point, service=service, labels=labels)
        if asset:
            namespace, _, name = asset.partition("/")
            kind = self._assets.get(tenant_id, namespace, name).kind
            return Subject(about=f"assets/{asset}", point=point, asset=asset, asset_kind=kind)
        return Subject(about="tenant", point=point)

    def _release(self, tenant_id: UUID, release_id: UUID, point: GatePoint | None) -> tuple[Subject, dict[str, Any]]:
        release = self._releases.get(tenant_id, release_id)
        service = self._releases.service_of(release)
        environment = self._shown(tenant_id, release.environment_id)
        subject = Subject(
            about=f"releases/{release.service}@{release.version}",
            point=point,
            service=service.name,
            labels=service.labels,
            environments=() if environment is None else _names(environment),
            target="" if environment is None else environment.target,
        )
        parts: dict[str, Any] = {"release": _release_part(release, service)}
        digests = [each["digest"] for each in release.artifacts]
        approvals = self._approvals.approvals(tenant_id, subject.about, digests)
        if approvals:
            parts["release"]["approvals"] = approvals
        parts |= attestations_about(self._session, self._settings, tenant_id, digests)
        parts |= sbom_about(self._session, self._settings, tenant_id, digests, f"releases/{release_id}")
        if environment is not None:
            parts |= {"environment": _environment_part(environment), "plan": self._plan(environment, point)}
        return self._identified(subject, parts, digests), parts

    def _environment(
        self, tenant_id: UUID, environment_id: UUID, point: GatePoint | None
    ) -> tuple[Subject, dict[str, Any]]:
        environment = self._environments.get(tenant_id, environment_id)
        service = self._releases.built_from(tenant_id, environment.repository)
        subject = Subject(
            about=f"environments/{environment.repository}#{environment.pull_request}",
            point=point,
            service="" if service is None else service.name,
            labels={} if service is None else service.labels,
            environments=_names(environment),
            target=environment.target,
            asset=environment.blueprint,
            asset_kind="deployment-blueprint",
        )
        parts: dict[str, Any] = {"environment": _environment_part(environment), "plan": self._plan(environment, point)}
        digests = [each["digest"] for each in environment.locked]
        parts |= attestations_about(self._session, self._settings, tenant_id, digests)
        parts |= sbom_about(self._session, self._settings, tenant_id, digests, f"environments/{environment_id}")
        if service is not None:
            parts["service"] = _service_part(service)
        return self._identified(subject, parts, digests), parts

    def _acting(
        self, tenant_id: UUID, point: GatePoint | None, proposal_id: UUID, actor: str
    ) -> tuple[Subject, dict[str, Any]]:
        """Return what an agent wants to do, together with all that is known of what it would do it to."""
        proposal = ProposalService(self._session).get(tenant_id, proposal_id)
        about = f"agents/{proposal.agent}/{proposal.kind}/{proposal.subject}"
        subject, digests = Subject(about=about, point=point), []
        parts: dict[str, Any] = {"version": VERSION, "actor": actor, **({} if point is None else {"point": str(point)})}
        with suppress(NotFoundError):  # what agents look at need not be something that policies know
            inner, parts = self.gather(tenant_id, point, proposal.subject, actor)
            subject, digests = replace(inner, about=about), inner.judged["digests"]
        parts = {**parts, "subject": about, "proposal": _proposal_part(proposal)}
        return self._identified(subject, parts, digests), parts

    def _version(self, tenant_id: UUID, version_id: UUID, point: GatePoint | None) -> tuple[Subject, dict[str, Any]]:
        version = self._assets.version_by_id(tenant_id, version_id)
        asset = f"{version.namespace}/{version.name}"
        subject = Subject(about=f"assets/{asset}@{version.version}", point=point, asset=asset, asset_kind=version.kind)
        digests = [f"sha256:{version.blob_digest}"]
        sbom = sbom_about(self._session, self._settings, tenant_id, digests)
        visibility = self._assets.get(tenant_id, version.namespace, version.name).visibility
        parts = {"asset": {**_asset_part(tenant_id, version), "visibility": str(visibility)}, **sbom}
        return self._identified(subject, parts, digests), parts

    def _install_plan(self, tenant_id: UUID, plan_id: UUID, point: GatePoint | None) -> tuple[Subject, dict[str, Any]]:
        row = self._installs.plan(tenant_id, plan_id)
        plan = row.document
        namespace, _, name = plan["asset"].partition("/")
        version = self._assets.version(tenant_id, namespace, name, plan["version"])
        target = plan["target"]
        service = self._releases.named(tenant_id, target["service"]) if target.get("service") else None
        if service is None and target.get("repository"):
            service = self._releases.built_from(tenant_id, target["repository"])
        subject = Subject(
            about=f"installs/{plan['name']}@{plan['version']}",
            point=point,
            service="" if service is None else service.name,
            labels=plan["labels"] if service is None else {**service.labels, **plan["labels"]},
            asset=plan["asset"],
            asset_kind=version.kind,
        )
        parts: dict[str, Any] = {"asset": _asset_part(tenant_id, version), "install": _install_part(plan)}
        digests = [each["digest"] for each in plan["lock"]]
        parts |= attestations_about(self._session, self._settings, tenant_id, digests)
        if service is not None:
            parts["service"] = _service_part(service)
        preview = plan.get("preview") or {}
        if "resources" in preview:
            parts["plan"] = ResourceGraph.model_validate({**preview, "at": row.created_at}).as_plan()
        return self._identified(subject, parts, digests), parts

    def _identified(self, subject: Subject, parts: Mapping[str, Any], digests: Sequence[str]) -> Subject:
        return replace(subject, judged=judged(parts, digests, self._settings.policy_masks))

    def _shown(self, tenant_id: UUID, environment_id: UUID | None) -> Environment | None:
        if environment_id is None:
            return None
        try:
            return self._environments.get(tenant_id, environment_id)
        except NotFoundError:
            return None

    def _plan(self, environment: Environment, point: GatePoint | None) -> dict[str, Any]:
        known = self._environments.resources(environment)
        return environment_plan(environment, point, self._environments.graph(environment), known)


def _proposal_part(proposal: Proposal) -> dict[str, Any]:
    return {
        "agent": proposal.agent,
        "kind": proposal.kind,
        "subject": proposal.subject,
        "title": proposal.title,
        "action": str(proposal.action.get("kind", "")),
        "autonomy": str(proposal.autonomy),
        "approved": not proposal.decided_by.startswith("agent:"),
        "decided_by": proposal.decided_by,
        "comment": proposal.comment,
    }


def _release_part(release: Release, service: Service) -> dict[str, Any]:
    source = {"repository": release.repository, "revision": release.commit}
    return {
        "service": release.service,
        "version": release.version,
        "author": release.created_by,
        "owner": service.owner,
        "labels": dict(service.labels),
        "notes": release.notes,
        "source": {**source, **({"pipeline": release.pipeline} if release.pipeline else {})},
        "artifacts": [{name: value for name, value in each.items() if value} for each in release.artifacts],
    }


def _service_part(service: Service) -> dict[str, Any]:
    return {"name": service.name, "owner": service.owner, "labels": dict(service.labels)}


def _environment_part(environment: Environment) -> dict[str, Any]:
    return {
        "name": environment.name,
        "target": environment.target,
        "source": {"repository": environment.repository, "revision": environment.head_sha},
        "pull_request": environment.pull_request,
        "blueprint": _blueprint(environment),
        "inputs": dict(environment.inputs),
        "ttl_seconds": environment.ttl_seconds,
        "requested_by": environment.requested_by,
    }


def _blueprint(environment: Environment) -> dict[str, Any]:
    """Return the entry of the lock that is the blueprint itself; dependencies stand before what needs them."""
    found = (each for each in environment.locked if each["asset"] == environment.blueprint)
    return next(found, {"asset": environment.blueprint})


def _install_part(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an install plan asks for; secrets are references there already, and are left out here."""
    names = ("name", "action", "owner", "labels", "becomes", "target", "lock", "verification")
    files = plan.get("changes", {}).get("files", ())
    return {
        **{name: plan[name] for name in names},
        "inputs": {name: value for name, value in plan["inputs"].items() if not _is_reference(value)},
        "permissions": [each["name"] for each in plan["permissions"]],
        "files": [{"path": each["path"], "status": each["status"]} for each in files],
    }


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"$secret"}


def _asset_part(tenant_id: UUID, version: AssetVersion) -> dict[str, Any]:
    return {
        "namespace": version.namespace,
        "name": version.name,
        "version": version.version,
        "kind": version.kind,
        "digest": f"sha256:{version.blob_digest}",
        "manifest": version.manifest,
        "files": [{"path": each["path"], "size": each["size"]} for each in version.files],
        "published_by": version.published_by
        if version.tenant_id == tenant_id
        else told_to_others(version)["published_by"],
    }


def _names(environment: Environment) -> tuple[str, ...]:
    repository = environment.repository
    names: Sequence[str] = (environment.name, repository, f"{repository}#{environment.pull_request}")
    return tuple(names)
