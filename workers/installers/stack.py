"""Component packages with inputs: an install is a stack of its own, made by the engine from the component alone.

The component runs in the sandbox and reaches the engine through a door that lets only harmless requests pass
(``workers.engine.components``); what it may use are the packages of ``SLIPWAY_COMPONENT_PROVIDERS``.
"""

import fcntl
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.gating import GatePoint, pass_gate, wants_plan
from catalog.installs.models import Action
from catalog.installs.service import Applied, Draft, InstallReports, Proposal, Work
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.stacks.graph import GraphSource, resource_graph
from catalog.stacks.models import Stack, StackResource, StackState
from catalog.stacks.service import MultiCloudProvisioningService
from workers.engine import ApplyResult, EngineError, ErrorKind, StackProgram, StackRef, StackRequest
from workers.foresight import held_to
from workers.installers import Bench, InstallRefusedError
from workers.installers.components import SHORTEST_SECRET, Component, chosen_component, hold_to_state
from workers.installers.previewing import concealed, concealed_in, graph_resources, previewed, reason, removal
from workers.leases import HeldLease
from workers.runtime.worker import Interrupted

PROJECT = "slipway-components"
TARGET = "cloud"


class StackFailedError(InstallRefusedError):
    """The engine did not bring the stack about; what it did of it stands in the stack, and the next change goes on."""

    code = "stack_failed"
    title = "The stack was not brought about"


@dataclass(frozen=True)
class _Place:
    """Where the stack of an install is: the same for every revision at the same place."""

    tenant_id: UUID
    name: str
    resource: str

    @classmethod
    def of(cls, tenant_id: UUID, asset: str, target: Mapping[str, Any]) -> "_Place":
        """Return the place of an asset's stack; names of stacks are unique across tenants."""
        key = uuid5(NAMESPACE_URL, f"slipway:{tenant_id}/{asset}/{target['stack']}").hex[:12]
        return cls(tenant_id, f"{target['stack']}-{key}", str(target["stack"]))

    def stack(self, session: Session) -> Stack | None:
        """Return the stack where there is one."""
        living = MultiCloudProvisioningService(session).living(self.tenant_id)
        return next((each for each in living if (each.project, each.name) == (PROJECT, self.name)), None)


class StackInstaller:
    """Makes, changes and removes the stack; every step may be repeated after a worker was killed."""

    name = "stack"

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Say what the engine would do, by its own preview."""
        hold_to_state(bench.settings)
        target = draft.head["target"]
        place = _Place.of(draft.tenant_id, draft.head["asset"], target)
        with bench.session() as session:
            stack = place.stack(session)
        if draft.action is Action.UNINSTALL:
            return Proposal({"stack": {**target, "ends": True}}, preview=removal(bench, stack))
        component = chosen_component(draft.version, draft.inputs, target, draft.tenant_id, bench)
        secrets = component.secrets | _secrets_before(draft.tenant_id, draft.install_id, bench)
        is_there = stack is not None and stack.state is not StackState.EMPTY
        with component.program(place.resource, bench.settings) as program:
            name = place.name if is_there else f"{place.name}-preview"
            limit = bench.settings.install_preview_seconds
            request = StackRequest(StackRef(PROJECT, name), _passphrase(stack, bench.settings), program, {}, limit)
            with _alone(bench.settings, name):
                preview = previewed(bench, request, outputs=component.outputs, secrets=secrets)
        told = {"stack": target["stack"], "component": component.name, "outputs": list(component.outputs)}
        return Proposal({"stack": {**told, "ends": False}}, preview=preview)

    def apply(self, work: Work, bench: Bench) -> Applied:
        """Have the engine bring the stack about, under its lease."""
        hold_to_state(bench.settings)
        place = _Place.of(work.tenant_id, work.asset, work.content["target"])
        with bench.session() as session:
            stack = MultiCloudProvisioningService(session).ensure(
                work.tenant_id, PROJECT, place.name, f"installs/{work.install_id}", TARGET
            )
        if bench.hold is None or bench.engine is None:
            raise InstallRefusedError("There is no engine here that could make a stack.")
        secrets = _secrets_before(work.tenant_id, work.install_id, bench)
        with bench.hold(stack.id) as hand:
            if work.action is Action.UNINSTALL:
                _recover(bench, hand, stack, secrets)
                return _removed(bench, hand, stack, secrets)
            component = _component_of(work, bench)
            component = replace(component, secrets=component.secrets | secrets)
            _recover(bench, hand, stack, component.secrets)
            return _made(bench, hand, stack, component, work)

    def record(self, session: Session, work: Work, applied: Applied, settings: Settings) -> Applied:  # noqa: ARG002
        """Add nothing: what the stack is was written under its lease."""
        return applied

    def look(self, work: Work, bench: Bench) -> Applied | None:  # noqa: ARG002
        """Find nothing: a stack waits for nobody."""
        return None


def _made(bench: Bench, hand: HeldLease, stack: Stack, component: Component, work: Work) -> Applied:
    with component.program(str(work.content["target"]["stack"]), bench.settings) as program:
        request = _looked_ahead(bench, hand, _request(bench.settings, stack, program), component, work)
        result = operate(bench, hand, "up", request, component.secrets)
    graph = resource_graph(
        GraphSource.DEPLOYMENT,
        graph_resources(result.graph),
        outputs=[*result.outputs, *result.secret_outputs],
        masks=bench.settings.policy_masks,
        secrets=component.secrets,
    )
    # A secret output is named and stays in the engine's state, where it is encrypted.
    plain = concealed_in(dict(result.outputs), component.secrets)
    outputs = {**plain, **dict.fromkeys(result.secret_outputs, "[secret]")}
    resources = [StackResource(type=each.type, name=each.name, id=each.id) for each in result.resources]
    with bench.session() as session:
        MultiCloudProvisioningService(session).mark_applied(hand.lease, resources, outputs, graph)
    return Applied({"stack": str(stack.id), "outputs": outputs})


def _looked_ahead(
    bench: Bench, hand: HeldLease, request: StackRequest, component: Component, work: Work
) -> StackRequest:
    """Where policies look at what the engine would do, ask them again, and hold the component to what they were told.

    What the plan told may be old, and the component's code could tell one thing then and do another now.
    """
    gate = (work.tenant_id, GatePoint.INSTALL, f"install-plans/{work.plan_id}")
    with bench.session() as session:
        if not wants_plan(session, *gate, enforced=True):
            return request
    engine = bench.engine() if bench.engine is not None else None
    if engine is None:
        raise InstallRefusedError("There is no engine here that could make a stack.")
    try:
        preview = engine.preview(request, should_stop=lambda: bench.should_stop() or hand.lost.is_set())
    except EngineError as error:
        if bench.should_stop() or hand.lost.is_set():
            raise Interrupted(concealed(error.message, component.secrets)) from None
        raise StackFailedError(f"The engine could not look ahead{reason(error, component.secrets)}") from None
    graph = resource_graph(
        GraphSource.PREVIEW,
        graph_resources(preview.graph),
        outputs=component.outputs,
        masks=bench.settings.policy_masks,
        secrets=component.secrets,
    )
    with bench.session() as session:
        pass_gate(session, *gate, work.actor, graph.as_plan())
    return held_to(request, preview)


def _removed(bench: Bench, hand: HeldLease, stack: Stack, secrets: Collection[str]) -> Applied:
    operate(bench, hand, "destroy", _request(bench.settings, stack, StackProgram(resources=())), secrets)
    with bench.session() as session:
        MultiCloudProvisioningService(session).mark_destroyed(hand.lease)
    return Applied({"stack": str(stack.id)})


def _recover(bench: Bench, hand: HeldLease, stack: Stack, secrets: Collection[str]) -> None:
    """Look at what an interrupted operation left before anything else is done to the stack."""
    if hand.lease.interrupted:
        request = _request(bench.settings, stack, StackProgram(resources=()))
        operate(bench, hand, "recover", request, secrets)
        with bench.session() as session:
            MultiCloudProvisioningService(session).mark_recovered(hand.lease)


def operate(
    bench: Bench, hand: HeldLease, operation: str, request: StackRequest, secrets: Collection[str]
) -> ApplyResult:
    """Run one operation of the engine; raise ``StackFailedError`` with its reason, or ``Interrupted``."""
    with bench.session() as session:
        MultiCloudProvisioningService(session).mark_changing(hand.lease)
    run = getattr(bench.engine() if bench.engine is not None else None, operation)
    try:
        result: ApplyResult = run(request, should_stop=lambda: bench.should_stop() or hand.lost.is_set())
    except EngineError as error:
        if bench.should_stop() or hand.lost.is_set():
            raise Interrupted(concealed(error.message, secrets)) from None
        with bench.session() as session:
            # What could not be looked at is as unknown as before, whatever the reason.
            interrupted = operation == "recover" or error.kind is not ErrorKind.FAILED
            MultiCloudProvisioningService(session).mark_failed(hand.lease, interrupted=interrupted)
        raise StackFailedError(f"The engine stopped{reason(error, secrets)}") from None
    return result


def _secrets_before(tenant_id: UUID, install_id: UUID | None, bench: Bench) -> frozenset[str]:
    """Return the secrets of all revisions: what is there was made with them, and engines repeat those as well."""
    with bench.session() as session:
        known = InstallReports(session, bench.settings).secrets_of(tenant_id, install_id)
    return frozenset(each for each in known if len(each) >= SHORTEST_SECRET)


def _component_of(work: Work, bench: Bench) -> Component:
    content = work.content
    namespace, _, name = work.asset.partition("/")
    with bench.session() as session:
        inputs = InstallReports(session, bench.settings).inputs_of(work)
        version = AssetService(session).version(work.tenant_id, namespace, name, content["version"])
    return chosen_component(version, inputs, content["target"], work.tenant_id, bench)


def _request(settings: Settings, stack: Stack, program: StackProgram) -> StackRequest:
    return StackRequest(
        stack=StackRef(stack.project, stack.name),
        passphrase=_passphrase(stack, settings),
        program=program,
        labels={"slipway:owner": stack.owner, "slipway:tenant": str(stack.tenant_id)},
        time_limit=float(settings.operation_time_limit_seconds),
    )


def _passphrase(stack: Stack | None, settings: Settings) -> str:
    return token_urlsafe() if stack is None else SecretBox(settings).passphrase(f"stacks/{stack.id}")


@contextmanager
def _alone(settings: Settings, name: str) -> Iterator[None]:
    """Let one preview of a stack run at a time on this machine: each makes a stack that it removes again."""
    folder = Path(tempfile.gettempdir())
    with (folder / f"slipway-{settings.port}-{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


INSTALLER = StackInstaller()
