"""Where a tenant's environments go: what it may choose from, its own choice, and who else has a say."""

from collections.abc import Collection
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import BlueprintSpec, parse_spec
from catalog.clock import now
from catalog.environments import queries
from catalog.environments.automations import Automation, TargetChoice
from catalog.environments.events import EnvironmentTargetChosen
from catalog.environments.models import Environment
from catalog.environments.places import (
    ChooseTarget,
    OfferedTarget,
    Placement,
    TargetsRead,
    Wishes,
    weigh_targets,
)
from catalog.environments.service.wishes import blueprint_of, composed_of
from catalog.environments.specs import spec_of, why_unreadable
from catalog.errors import FieldError, InvalidInputError, SlipwayError
from catalog.events import outbox
from catalog.providers.targets import offered
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

SUBJECT = "environments/target"


class EnvironmentTargets:
    """One unit of work on where environments go; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def read(self, tenant_id: UUID) -> TargetsRead:
        """Return what the tenant may choose from, what it chose, and where its environments go."""
        row = queries.target_choice(self._session, tenant_id)
        here = offered(self._settings, self._name(tenant_id))
        placement = self.placement(tenant_id)
        chosen = None if row is None else row.target
        return TargetsRead(
            target=chosen,
            problem=_problem(chosen, placement, here),
            chosen_by=None if row is None else row.chosen_by,
            chosen_at=None if row is None else row.chosen_at,
            placement=placement,
            offered=[
                OfferedTarget(
                    name=name, title=each.title, servers=sorted(each.backing), seeds=each.seeds, wakes=each.wakes
                )
                for name, each in here.items()
            ],
        )

    def choose(self, principal: Principal, asked: ChooseTarget) -> TargetsRead:
        """Let new environments go to a target, or (None) take that back; the same once more changes nothing.

        Raises ``InvalidInputError`` for a target that the tenant is not offered.
        """
        principal.require("environments:admin")
        here = offered(self._settings, self._name(principal.tenant_id))
        if asked.target is not None and asked.target not in here:
            detail = f"There is no target {asked.target} here; there is {', '.join(here) or 'none'}."
            raise InvalidInputError(detail, [FieldError("/target", detail)])
        row = queries.target_choice_to_change(
            self._session, TargetChoice(tenant_id=principal.tenant_id, chosen_by=principal.name)
        )
        if row.target != asked.target:
            data = EnvironmentTargetChosen(target=asked.target, before=row.target)
            row.target, row.chosen_by, row.chosen_at = asked.target, principal.name, now()
            self._session.add(row)
            tenant_id, actor = principal.tenant_id, principal.actor
            outbox.append(self._session, data, tenant_id=tenant_id, subject=SUBJECT, actor=actor)
            detail_of_it = {"target": data.target, "before": data.before}
            TenantService(self._session).audit(tenant_id, actor, "environment.choose_target", SUBJECT, detail_of_it)
        self._session.flush()
        return self.read(principal.tenant_id)

    def placement(
        self,
        tenant_id: UUID,
        spec: BlueprintSpec | None = None,
        *,
        runs_at: str | None = None,
        automation: str | None = None,
    ) -> Placement:
        """Return where an environment of a blueprint goes whose request names no target, and what everybody says."""
        row = queries.target_choice(self._session, tenant_id)
        wishes = Wishes(runs_at=runs_at, automation=automation, tenant=None if row is None else row.target)
        return weigh_targets(self._settings, wishes, spec, self._name(tenant_id))

    def of(self, environment: Environment) -> Placement:
        """Return where an environment is, and what everybody says of it."""
        spec = None if why_unreadable(environment) else spec_of(environment)
        return self.placement(environment.tenant_id, spec, runs_at=environment.target)

    def awaited(self, tenant_id: UUID, automation: Automation | None) -> Placement:
        """Return where the environment of a pull request would go that has none, as what begins by itself makes it."""
        if automation is None:
            return self.placement(tenant_id)
        try:
            version, lock = blueprint_of(self._session, tenant_id, automation.blueprint, ())
            spec, _ = composed_of(self._session, self._settings, tenant_id, version, lock)
        except SlipwayError:
            return self.placement(tenant_id, automation=automation.target)
        return self.placement(tenant_id, parse_spec({"spec": spec}), automation=automation.target)

    def _name(self, tenant_id: UUID) -> str:
        return TenantService(self._session).get(tenant_id).name


def _problem(chosen: str | None, placement: Placement, here: Collection[str]) -> str:
    """Return that a choice is not offered any more, "" where it is or there is none."""
    if chosen is None or chosen in here:
        return ""
    goes = f"New environments go to {placement.target} meanwhile." if placement.target else "Nothing else is offered."
    return (
        f"The target {chosen} is not offered to your tenant any more. {goes} Those that run there stay, and the choice"
        " holds again once it is offered."
    )
