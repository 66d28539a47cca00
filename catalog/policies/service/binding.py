"""Bindings: which bundle counts for whom, from when, and how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from catalog.assets.references import AssetReference, parse_reference
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError, SlipwayError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.gating import Level
from catalog.policies import queries, rules
from catalog.policies.bundles import Bundles, LoadedBundle, union
from catalog.policies.events import PolicyBound, PolicyUnbound
from catalog.policies.models import Binding, Mode
from catalog.policies.rules import Subject
from catalog.policies.shapes import BindingRead, Bound, CreateBinding, Effective, InForce, Overlap, Scope, Stage
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

MOST_BINDINGS = 200
"""How many bindings a tenant may have at once: each costs time at every gate."""


@dataclass(frozen=True)
class Standing:
    """A binding as it stands for one subject now; ``loaded`` is None where there is no version to ask."""

    binding: Binding
    mode: Mode
    loaded: LoadedBundle | None
    problem: str | None = None


class BindingPolicies:
    """What an administrator does with bindings, and what they come to for a subject."""

    def __init__(self, session: Session, bundles: Bundles) -> None:
        self._session = session
        self._bundles = bundles

    def bind(self, principal: Principal, asked: CreateBinding) -> Bound:
        """Let a bundle count; raise ``InvalidInputError`` for one that does not exist or was never compiled."""
        principal.require("policies:write")
        if queries.count_bindings(self._session, principal.tenant_id) >= MOST_BINDINGS:
            detail = f"There are {MOST_BINDINGS} bindings already. End one that is no longer needed."
            raise InvalidInputError(detail, [FieldError("", detail)])
        reference = parse_reference(asked.bundle, "/bundle")
        try:
            loaded = self._bundles.newest(self._session, principal.tenant_id, reference)
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/bundle", error.detail)]) from None
        binding = Binding(
            tenant_id=principal.tenant_id,
            asset=f"{reference.namespace}/{reference.name}",
            constraint=str(reference).removeprefix(f"{reference.namespace}/{reference.name}"),
            level=asked.level,
            scope=asked.scope.model_dump(mode="json"),
            points=[str(each) for each in asked.points],
            stages=[each.model_dump(mode="json") for each in asked.stages],
            reason=asked.reason,
            created_by=principal.name,
        )
        if asked.level is Level.NONE:
            detail = "Choose advisory, mandatory-with-override or mandatory."
            raise InvalidInputError(detail, [FieldError("/level", detail)])
        self._session.add(binding)
        self._session.flush()
        data = PolicyBound(
            binding_id=binding.id,
            asset=binding.asset,
            constraint=binding.constraint,
            level=binding.level,
            scope=str(asked.scope),
        )
        self._note(principal, "policy.bind", f"policies/bindings/{binding.id}", data, {"asset": binding.asset})
        return Bound(**read_binding(binding).model_dump(), overlaps=self._overlaps_with(principal.tenant_id, loaded))

    def unbind(self, principal: Principal, binding_id: UUID) -> BindingRead:
        """Let a bundle no longer count; doing so again changes nothing."""
        principal.require("policies:write")
        binding = queries.binding(self._session, principal.tenant_id, binding_id)
        if binding is None:
            raise NotFoundError(f"There is no binding {binding_id}.")
        if binding.ended_at is None:
            binding.ended_at = now()
            binding.ended_by = principal.name
            self._session.add(binding)
            self._session.flush()
            data = PolicyUnbound(binding_id=binding.id, asset=binding.asset)
            self._note(principal, "policy.unbind", f"policies/bindings/{binding.id}", data, {"asset": binding.asset})
        return read_binding(binding)

    def bindings(self, tenant_id: UUID) -> list[BindingRead]:
        """Return the bindings that have not ended, oldest first."""
        return [read_binding(each) for each in queries.bindings(self._session, tenant_id)]

    def overlaps(self, tenant_id: UUID, reference: AssetReference) -> list[Overlap]:
        """Return the roots that a bundle would share with others that are bound; errors are those of ``Bundles``."""
        return self._overlaps_with(tenant_id, self._bundles.newest(self._session, tenant_id, reference))

    def effective(self, tenant_id: UUID, subject: Subject) -> Effective:
        """Return everything that counts for a subject now, and where bundles claim the same root."""
        standing = self.standing(tenant_id, subject, now())
        return Effective(
            subject=subject.as_json(),
            bundles=[
                InForce(
                    binding=read_binding(each.binding),
                    version=each.loaded.version if each.loaded else None,
                    digest=each.loaded.compiled.digest if each.loaded else None,
                    mode=each.mode,
                    level=each.binding.level,
                    problem=each.problem,
                )
                for each in standing
            ],
            overlaps=_overlaps([each.loaded for each in standing if each.loaded]),
        )

    def standing(self, tenant_id: UUID, subject: Subject, moment: datetime) -> list[Standing]:
        """Return how every binding that means the subject stands at a moment; those that wait are left out."""
        found = []
        known: dict[str, tuple[LoadedBundle | None, str | None]] = {}
        for binding in queries.bindings(self._session, tenant_id):
            if not rules.stands_at(binding.points, subject) or not rules.covers(_scope(binding), subject):
                continue
            stages = [Stage.model_validate(each) for each in binding.stages]
            mode = rules.mode_at(stages, str(binding.id), subject, moment)
            if mode is Mode.PENDING:
                continue
            reference = f"{binding.asset}{binding.constraint}"
            if reference not in known:
                one = self._loaded(tenant_id, binding, mode)
                known[reference] = (one.loaded, one.problem)
            found.append(Standing(binding, mode, *known[reference]))
        return found

    def _loaded(self, tenant_id: UUID, binding: Binding, mode: Mode) -> Standing:
        reference: AssetReference = parse_reference(f"{binding.asset}{binding.constraint}")
        try:
            return Standing(binding, mode, self._bundles.newest(self._session, tenant_id, reference))
        except SlipwayError as error:
            return Standing(binding, mode, None, error.detail)

    def _overlaps_with(self, tenant_id: UUID, loaded: LoadedBundle) -> list[Overlap]:
        others = []
        for binding in queries.bindings(self._session, tenant_id):
            other = self._loaded(tenant_id, binding, Mode.ENFORCED).loaded
            if other is not None:
                others.append(other)
        return [each for each in _overlaps([loaded, *others]) if loaded.asset in each.bundles]

    def _note(self, principal: Principal, action: str, subject: str, data: EventData, detail: dict[str, str]) -> None:
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)
        TenantService(self._session).audit(principal.tenant_id, principal.actor, action, subject, dict(detail))


def read_binding(binding: Binding) -> BindingRead:
    """Return the binding as others read it."""
    return BindingRead.model_validate(binding)


def _scope(binding: Binding) -> Scope:
    return Scope.model_validate(binding.scope)


def _overlaps(loaded: Sequence[LoadedBundle]) -> list[Overlap]:
    return rules.overlapping({each.asset: each.roots for each in union(loaded)})
