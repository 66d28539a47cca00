"""Planning: what somebody wants to know, checked as far as it can be at once, and handed to a worker for the rest."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from catalog.assets.installation import InstallEffect
from catalog.assets.kinds import kinds
from catalog.assets.models import AssetVersion
from catalog.assets.references import parse_reference
from catalog.assets.versions import parse_version
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, SlipwayError
from catalog.installs import queries, rules
from catalog.installs.errors import InstallBusyError, InstallExistsError, InstallNotFoundError, UpgradeRefusedError
from catalog.installs.events import InstallPlanRequested
from catalog.installs.models import Action, Install, InstallPlan, InstallRevision, InstallState
from catalog.installs.service.base import subject_of
from catalog.installs.service.drafting import NO_INPUTS, Drafting
from catalog.installs.shapes import AskInstall, AskRollback, AskUninstall, AskUpgrade
from catalog.installs.targets import EnvironmentTarget, PullRequestTarget, Target, read_target
from catalog.operations.models import Step
from catalog.scm.service import ScmService
from catalog.tenancy import Principal

PLAN_STEPS = (
    Step(name="compare", title="Work out what would change"),
    Step(name="gates", title="Ask the gates"),
)
APPLY_STEPS = (
    Step(name="check", title="See whether anything has moved since the plan was made"),
    Step(name="record", title="Write the revision down"),
    Step(name="apply", title="Bring it about"),
)


class Planning(Drafting):
    """The four questions that can be asked; nothing is changed by any of them."""

    def plan_install(self, principal: Principal, asked: AskInstall, *, auto: bool = False) -> InstallPlan:
        """Ask what a new install would do; with ``auto`` it is applied where nothing stands against it.

        Raises ``InvalidInputError`` naming the fields at fault, or ``InstallExistsError`` where the asset is there
        already.
        """
        principal.require("installs:write")
        reference = parse_reference(asked.asset, "/asset")
        lock = self._resolve(principal.tenant_id, str(reference), (), rises=True)
        path = f"{reference.namespace}/{reference.name}"
        number = next(each["version"] for each in lock if each["asset"] == path)
        version = self._assets.version(principal.tenant_id, reference.namespace, reference.name, number)
        target = self._target(principal.tenant_id, read_target(_becomes(version), asked.target))
        principal.require(target.scope)
        self._hold_to_place(principal.tenant_id, path, target.place, asked.name)
        given: dict[str, Any] = {}
        if target.becomes not in NO_INPUTS:
            given = self._seal_inputs(principal.tenant_id, version.input_schema or {}, asked.inputs, {})
            self._complete(principal.tenant_id, version, given, None)
        name = asked.name or self._free_name(principal.tenant_id, path, target.place)
        pinned = {
            **_pinned(path, version, lock),
            "given": given,
            "name": name,
            "owner": asked.owner,
            "labels": dict(asked.labels),
            "becomes": target.becomes,
            "place": target.place,
            "target": target.model_dump(mode="json"),
            "conflicts": dict(asked.conflicts),
        }
        return self._ask(principal, Action.INSTALL, pinned, None, auto=auto)

    def plan_upgrade(
        self, principal: Principal, install_id: UUID, asked: AskUpgrade, *, auto: bool = False
    ) -> InstallPlan:
        """Ask what another version or other inputs would do; raise ``UpgradeRefusedError`` that says why not."""
        install, base = self._changeable(principal, install_id)
        wanted = self._choose_upgrade(principal.tenant_id, base, asked.version)
        lock = self._resolve(principal.tenant_id, f"{install.asset}=={wanted}", base.content["lock"], rises=True)
        namespace, _, name = install.asset.partition("/")
        version = self._assets.version(principal.tenant_id, namespace, name, wanted)
        given: dict[str, Any] = {}
        if install.becomes not in NO_INPUTS:
            given = rules.merged_inputs(base.content["given"], asked.inputs)
            given = self._seal_inputs(principal.tenant_id, version.input_schema or {}, given, base.content["given"])
            self._complete(principal.tenant_id, version, given, base)
        is_same = wanted == base.content["version"] and given == base.content["given"]
        if is_same and install.state is InstallState.APPLIED and lock == base.content["lock"]:
            detail = (
                f"{install.asset} {wanted} is installed already with these inputs, and nothing newer can be chosen."
            )
            raise UpgradeRefusedError(detail, [FieldError("/version", detail)])
        pinned = {**self._carried(install, asked.conflicts), **_pinned(install.asset, version, lock), "given": given}
        return self._ask(principal, Action.UPGRADE, pinned, install, auto=auto)

    def plan_rollback(
        self, principal: Principal, install_id: UUID, asked: AskRollback, *, auto: bool = False
    ) -> InstallPlan:
        """Ask what going back to a revision would do; by default to the one that was there before."""
        install, base = self._changeable(principal, install_id)
        number = asked.revision or self._before(install)
        revision = self._revision(principal.tenant_id, install_id, number)
        if revision.content["given"] == base.content["given"] and revision.content["lock"] == base.content["lock"]:
            detail = f"Revision {number} is what is there already."
            raise UpgradeRefusedError(detail, [FieldError("/revision", detail)])
        self._hold_to_states(principal.tenant_id, revision.content["lock"])
        return self._ask(
            principal,
            Action.ROLLBACK,
            {**self._carried(install, asked.conflicts), "revision": number},
            install,
            auto=auto,
        )

    def plan_removal(
        self, principal: Principal, install_id: UUID, asked: AskUninstall, *, auto: bool = False
    ) -> InstallPlan:
        """Ask what taking an install away would do."""
        install, _ = self._changeable(principal, install_id)
        return self._ask(principal, Action.UNINSTALL, self._carried(install, asked.conflicts), install, auto=auto)

    def plan_decided(self, principal: Principal, plan_id: UUID, conflicts: Mapping[str, str]) -> InstallPlan:
        """Ask the question of a plan once more, with what was decided about files that both sides changed."""
        principal.require("installs:write")
        plan = self._plan(principal.tenant_id, plan_id)
        decided = {**plan.asked.get("conflicts", {}), **conflicts}
        return self.plan_again(plan, {**plan.asked, "conflicts": decided}, principal)

    def plan_again(
        self, plan: InstallPlan, asked: Mapping[str, Any] | None = None, principal: Principal | None = None
    ) -> InstallPlan:
        """Ask a question once more, because something has moved since ``plan`` was made, or with other decisions."""
        actor = plan.actor if principal is None else principal.actor
        install = None if plan.install_id is None else self._install(plan.tenant_id, plan.install_id, lock=True)
        operation = self._operations.start(
            plan.tenant_id, "install.plan", _plan_subject(plan.install_id), PLAN_STEPS, actor
        )
        fresh = InstallPlan(
            tenant_id=plan.tenant_id,
            install_id=plan.install_id,
            action=plan.action,
            asked=dict(plan.asked if asked is None else asked),
            base_revision=plan.base_revision if install is None else _start(install),
            operation_id=operation.id,
            follows=plan.id,
            actor=actor,
            member_id=plan.member_id if principal is None else principal.member_id,
            created_by=plan.created_by if principal is None else principal.name,
        )
        self._request(fresh)
        return fresh

    def _ask(
        self, principal: Principal, action: Action, asked: dict[str, Any], install: Install | None, *, auto: bool
    ) -> InstallPlan:
        plan = InstallPlan(
            tenant_id=principal.tenant_id,
            install_id=install.id if install else None,
            action=action,
            asked=asked,
            base_revision=_start(install) if install else None,
            auto=auto,
            operation_id=UUID(int=0),
            actor=principal.actor,
            member_id=principal.member_id,
            created_by=principal.name,
        )
        if auto and install is None:
            install = self._new_install(plan, principal.name)
            plan.install_id = install.id
        steps = (*PLAN_STEPS, *APPLY_STEPS) if auto else PLAN_STEPS
        kind = "install.apply" if auto else "install.plan"
        subject = _plan_subject(plan.install_id)
        operation = self._operations.start(principal.tenant_id, kind, subject, steps, principal.actor)
        plan.operation_id = operation.id
        if auto and install is not None:
            install.operation_id = operation.id
            install.plan_id = plan.id
            install.state = InstallState.PENDING
            self._touch(install)
        self._request(plan)
        return plan

    def _request(self, plan: InstallPlan) -> None:
        self._session.add(plan)
        self._session.flush()
        data = InstallPlanRequested(plan_id=plan.id, operation_id=plan.operation_id, action=plan.action)
        # One install's plans and changes come one after the other; a new install waits for nobody.
        subject = subject_of(plan.install_id) if plan.install_id else f"install-plans/{plan.id}"
        self._tell(plan.tenant_id, subject, data, plan.actor)

    def _new_install(self, plan: InstallPlan, created_by: str) -> Install:
        asked = plan.asked
        queries.hold(self._session, plan.tenant_id, "new")
        self._hold_to_place(plan.tenant_id, asked["asset"], asked["place"], asked["name"])
        install = Install(
            tenant_id=plan.tenant_id,
            **{
                name: asked[name] for name in ("name", "asset", "kind", "becomes", "place", "target", "owner", "labels")
            },
            created_by=created_by,
        )
        self._touch(install)
        return install

    def _changeable(self, principal: Principal, install_id: UUID) -> tuple[Install, InstallRevision]:
        """Return an install that may be changed now and the revision to start from."""
        principal.require("installs:write")
        install = self._install(principal.tenant_id, install_id)
        if install.becomes == "policy-binding":
            principal.require("policies:write")
        if install.becomes == "environment":
            principal.require("environments:write")
        if install.state is InstallState.REMOVED:
            raise InstallNotFoundError(f"{install.name} was uninstalled.")
        if install.state in rules.BUSY:
            raise InstallBusyError(f"Another change of {install.name} is under way. Wait for its end.")
        number = _start(install)
        if number is None:
            detail = f"Nothing of {install.name} was ever recorded. Install it again."
            raise UpgradeRefusedError(detail, [FieldError("", detail)])
        return install, self._revision(principal.tenant_id, install_id, number)

    def _before(self, install: Install) -> int:
        """Return the revision that was applied before the present one."""
        revisions = queries.revisions(self._session, install.tenant_id, install.id)
        outcomes = queries.outcomes(self._session, install.tenant_id, [each.id for each in revisions])
        present = install.applied_revision or 0
        applied = [
            each.number
            for each in revisions
            if each.number < present and any(line.state == "applied" for line in outcomes.get(each.id, ()))
        ]
        if not applied:
            detail = "Nothing was applied before what is there now. Name a revision, or uninstall."
            raise UpgradeRefusedError(detail, [FieldError("/revision", detail)])
        return applied[-1]

    def _carried(self, install: Install, conflicts: Mapping[str, str]) -> dict[str, Any]:
        names = ("name", "asset", "kind", "becomes", "place", "target", "owner", "labels")
        return {**{name: getattr(install, name) for name in names}, "conflicts": dict(conflicts)}

    def _hold_to_place(self, tenant_id: UUID, asset: str, place: str, name: str | None) -> None:
        found = queries.at_place(self._session, tenant_id, asset, place)
        if found is not None and not self._is_forgotten(found):
            detail = f"{asset} is installed there already, as {found.name} ({found.id}). Upgrade it instead."
            raise InstallExistsError(detail, [FieldError("/target", detail)])
        called = None if name is None else queries.named(self._session, tenant_id, name)
        if called is not None and not self._is_forgotten(called):
            detail = f"An install is called {name} already. Choose another name."
            raise InstallExistsError(detail, [FieldError("/name", detail)])

    def _is_forgotten(self, install: Install) -> bool:
        """Tell whether nothing ever came of an install; such a one makes room for another try."""
        if install.state is not InstallState.FAILED or install.desired_revision is not None:
            return False
        install.state, install.removed_at = InstallState.REMOVED, now()
        self._touch(install)
        return True

    def _free_name(self, tenant_id: UUID, asset: str, place: str) -> str:
        base = rules.name_for(asset, place, ())
        return rules.name_for(asset, place, queries.names(self._session, tenant_id, base))

    def _target(self, tenant_id: UUID, target: Target) -> Target:
        """Return the target with its repository in the one spelling under which it is recorded.

        Raises ``InvalidInputError`` where it is at a server for which the tenant has no connection.
        """
        if not isinstance(target, PullRequestTarget | EnvironmentTarget):
            return target
        try:
            repository = ScmService(self._session, self._settings).open(tenant_id, target.repository).address
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/target/repository", error.detail)]) from None
        return target.model_copy(update={"repository": repository})


def _becomes(version: AssetVersion) -> Sequence[str]:
    effects: Sequence[InstallEffect] = kinds()[version.kind].install(version.manifest)
    return [str(each.becomes) for each in effects]


def _pinned(asset: str, version: AssetVersion, lock: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    entries = [{"asset": each["asset"], "version": each["version"]} for each in lock]
    return {"asset": asset, "kind": version.kind, "version": str(parse_version(version.version)), "lock": entries}


def _start(install: Install) -> int | None:
    """Return the revision that the next one starts from: what is there, or else what was wanted last."""
    return install.applied_revision or install.desired_revision


def _plan_subject(install_id: UUID | None) -> str:
    return subject_of(install_id) if install_id else "installs/new"
