"""What workers report: each report is bound to a lease and a generation, and writes nothing where either is stale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from catalog.assets.blueprint_spec import BlueprintSpec
from catalog.clock import now
from catalog.environments import life, queries, rules
from catalog.environments.errors import UnreadableSpecError
from catalog.environments.events import (
    EnvironmentAsleep,
    EnvironmentFailed,
    EnvironmentReady,
    EnvironmentSuperseded,
)
from catalog.environments.machine import APPLYING
from catalog.environments.models import Desired, Environment, Phase
from catalog.environments.room import lacking, size_of
from catalog.environments.service.credentials import credentials_of
from catalog.environments.service.hiding import hidden_texts
from catalog.environments.service.life import retry_after
from catalog.environments.service.opening import check_secrets, opened_secrets
from catalog.environments.service.removals import RemovalReports
from catalog.environments.service.rows import (
    address_of,
    clear_condition,
    find,
    life_of,
    schedule,
    set_condition,
    set_expiry,
    situation,
    stamp,
    tell,
)
from catalog.environments.service.statements import write_down
from catalog.environments.service.sweeps import MISSING, PROJECT
from catalog.environments.service.wishes import inputs_of
from catalog.environments.specs import spec_of, why_unreadable
from catalog.errors import QuotaExceededError
from catalog.operations.models import OperationState, Problem
from catalog.providers.scm import PullRequest, PullRequestState
from catalog.secret_texts import secret_texts
from catalog.stacks.graph import GraphResource, GraphSource, ResourceGraph, resource_graph
from catalog.stacks.models import Lease, Stack, StackResource

AWAKE = "StillAwake"
"""The condition that says that something runs of an environment that is to sleep."""


@dataclass(frozen=True)
class DeployPlan:
    """What a worker is to bring about: everything it needs, so that it need not read the row again.

    ``credentials`` are the passwords of what stands behind the processes, by the name of the component; ``secrets`` are
    those of the tenant that the blueprint names. ``sealed`` are the texts that nobody is shown besides these.
    """

    tenant_id: UUID
    environment_id: UUID
    generation: int
    operation_id: UUID
    name: str
    hostname: str
    url: str
    repository: str
    pull_request: PullRequest
    head_sha: str
    spec: BlueprintSpec
    inputs: dict[str, Any]
    lock: Sequence[Mapping[str, Any]] = ()
    target: str = "local"
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    sealed: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def hidden(self) -> frozenset[str]:
        """Every text that must not stand in outputs, failures, events, graphs and logs."""
        return self.sealed | secret_texts((*self.credentials.values(), *self.secrets.values()))


class EnvironmentReports(RemovalReports):
    """The side of environments that workers speak to; everything happens in the session's transaction."""

    def stack(self, tenant_id: UUID, environment_id: UUID) -> Stack:
        """Return the stack of the environment's present incarnation, recorded if it is new."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.stack_id is not None:
            return self._stacks.get(tenant_id, environment.stack_id)
        name = f"{environment.name}-{environment.id.hex[:12]}-{environment.incarnation}"
        stack = self._stacks.ensure(tenant_id, PROJECT, name, f"environments/{environment.id}", environment.target)
        environment.stack_id = stack.id
        self._session.add(environment)
        return stack

    def is_current(self, tenant_id: UUID, environment_id: UUID, generation: int) -> bool:
        """Tell whether ``generation`` is (still) the newest of an environment that is wanted."""
        environment = find(self._session, tenant_id, environment_id)
        return environment.desired is Desired.PRESENT and environment.generation == generation

    def is_wanted(self, tenant_id: UUID, environment_id: UUID, generation: int) -> bool:
        """Tell whether work on ``generation``, or on any older one, shall be finished: the environment is wanted."""
        environment = find(self._session, tenant_id, environment_id)
        return environment.desired is Desired.PRESENT and environment.generation >= generation

    def set_aside(self, tenant_id: UUID, environment_id: UUID, generation: int, operation_id: UUID) -> bool:
        """Close the operation of a generation that need not be worked on (any more); tell whether that was so."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        current = environment.desired is Desired.PRESENT and environment.generation == generation
        if current and environment.phase not in rules.SETTLED:
            return False
        if environment.observed_generation != generation:
            self._finish(tenant_id, operation_id, OperationState.CANCELLED)
        return True

    def lose(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Record that the worker before vanished in the middle, so that the state has to be looked at first."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.phase in APPLYING:
            self._settle(environment, rules.lose(situation(environment)))

    def recovered(self, lease: Lease, environment_id: UUID) -> None:
        """Report that what an interrupted worker left was looked at, so that the environment goes on, or out."""
        environment = find(self._session, lease.tenant_id, environment_id, lock=True)
        self._stacks.mark_recovered(lease)
        if environment.phase is Phase.UNKNOWN:
            self._settle(environment, rules.recover(situation(environment)))

    def begin(self, lease: Lease, environment_id: UUID, generation: int, operation_id: UUID) -> DeployPlan:
        """Start to apply a generation; raises ``TransitionError`` where it is not wanted any more.

        Raises ``UnreadableSpecError`` where nobody knows (any more) what to make.
        """
        environment = find(self._session, lease.tenant_id, environment_id, lock=True)
        self._stacks.mark_changing(lease)
        self._settle(environment, rules.begin(situation(environment), generation))
        environment.attempt += 1
        self._operations.run(lease.tenant_id, operation_id)
        return self._plan(environment, operation_id)

    def start_sleep(self, lease: Lease, environment_id: UUID, generation: int, operation_id: UUID) -> DeployPlan | None:
        """Start to stop what runs of an environment; None where it shall not sleep any more, or nobody knows how."""
        environment = find(self._session, lease.tenant_id, environment_id, lock=True)
        if environment.phase is not Phase.SLEEPING or environment.generation != generation:
            self._finish(lease.tenant_id, operation_id, OperationState.CANCELLED)
            return None
        if why := why_unreadable(environment):
            set_condition(environment, AWAKE, "NotStopped", f"It could not be stopped. {why}", status=True)
            self._session.add(environment)
            problem = Problem(code=UnreadableSpecError.code, message=why)
            self._finish(lease.tenant_id, operation_id, OperationState.FAILED, problem)
            return None
        self._stacks.mark_changing(lease)
        self._operations.run(lease.tenant_id, operation_id)
        return self._plan(environment, operation_id)

    def is_asleep(self, tenant_id: UUID, environment_id: UUID, generation: int) -> bool:
        """Tell whether the environment shall (still) sleep."""
        environment = find(self._session, tenant_id, environment_id)
        return environment.phase is Phase.SLEEPING and environment.generation == generation

    def slept(self, lease: Lease, plan: DeployPlan, resources: Sequence[StackResource]) -> None:
        """Report that nothing of the environment runs any more; it may have been woken meanwhile."""
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        self._stacks.mark_applied(lease, resources, {})
        if environment.phase is not Phase.SLEEPING or environment.generation != plan.generation:
            self._finish(plan.tenant_id, plan.operation_id, OperationState.CANCELLED)
            return
        clear_condition(environment, AWAKE)
        self._session.add(environment)
        self._finish(plan.tenant_id, plan.operation_id, OperationState.SUCCEEDED)
        tell(self._session, environment, EnvironmentAsleep(**stamp(environment)), "system")

    def sleep_failed(self, lease: Lease, plan: DeployPlan, message: str, *, interrupted: bool) -> bool:
        """Report that what runs could not be stopped; tell whether to try again, or whether it was woken meanwhile."""
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        self._stacks.mark_failed(lease, interrupted=interrupted)
        if environment.phase is not Phase.SLEEPING or environment.generation != plan.generation:
            self._finish(plan.tenant_id, plan.operation_id, OperationState.CANCELLED)
            return False
        set_condition(environment, AWAKE, "NotStopped", f"It could not be stopped yet. {message}", status=True)
        self._session.add(environment)
        return True

    def _plan(self, environment: Environment, operation_id: UUID) -> DeployPlan:
        pull_request = PullRequest(
            environment.pull_request, PullRequestState.OPEN, environment.seen_sha, environment.branch or ""
        )
        spec = spec_of(environment)
        return DeployPlan(
            tenant_id=environment.tenant_id,
            environment_id=environment.id,
            generation=environment.generation,
            operation_id=operation_id,
            name=environment.name,
            hostname=environment.hostname,
            url=address_of(environment, self._settings),
            repository=environment.repository,
            pull_request=pull_request,
            head_sha=environment.head_sha,
            spec=spec,
            inputs=inputs_of(environment, self._settings),
            lock=environment.lock,
            target=environment.target,
            credentials=credentials_of(self._settings, environment.id, spec),
            secrets=self._secrets(environment, spec),
            sealed=hidden_texts(self._session, self._settings, environment),
        )

    def _secrets(self, environment: Environment, spec: BlueprintSpec) -> dict[str, str]:
        """Return the tenant's secrets that the environment is given; empty ones where its commit does without them."""
        names = spec.environment.secrets
        if environment.withheld:
            return dict.fromkeys(names, "")
        return opened_secrets(self._session, self._settings, environment)

    def check_secrets(self, plan: DeployPlan) -> None:
        """Raise ``InvalidInputError`` where a secret was withdrawn from a blueprint that the plan is made of."""
        environment = find(self._session, plan.tenant_id, plan.environment_id)
        if not environment.withheld:
            check_secrets(self._session, self._settings, environment)

    def take_room(self, plan: DeployPlan) -> None:
        """Count what a file of the repository describes; raise ``QuotaExceededError`` where there is no room for it."""
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        size = size_of(plan.spec)
        if size == environment.size:
            return
        queries.hold_room(self._session, environment.tenant_id)
        used = queries.sizes_awake(self._session, environment.tenant_id, environment.id)
        if plan.spec != spec_of(environment) and (short := lacking(self._settings, size, used.values())):
            raise QuotaExceededError(f"With what the repository describes: {short}")
        environment.size = size
        self._session.add(environment)

    def succeed(
        self,
        lease: Lease,
        plan: DeployPlan,
        resources: Sequence[StackResource],
        outputs: dict[str, Any],
        graph: Sequence[GraphResource] = (),
    ) -> Phase:
        """Report that the plan was applied; returns the phase that follows, which may be another than ready.

        ``graph`` is what the engine says of the resources; policies see it from now on, without secrets.
        """
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        self._stacks.mark_applied(lease, resources, outputs, self._graph(plan, graph, outputs))
        self._settle(environment, rules.succeed(situation(environment), plan.generation))
        environment.deployed_sha = plan.head_sha
        environment.outputs = outputs
        environment.url = plan.url or str(outputs.get("url") or "") or None
        environment.last_deploy_at = now()
        if environment.phase is not Phase.READY:
            self._superseded(environment, plan)
            return environment.phase
        environment.failure = None
        clear_condition(environment, MISSING)
        set_expiry(environment, life.deployed(life_of(environment), now()))
        message = f"The application answers at commit {plan.head_sha[:12]}."
        set_condition(environment, "Serving", "Healthy", message, status=True)
        self._finish(plan.tenant_id, plan.operation_id, OperationState.SUCCEEDED)
        write_down(self._session, environment)
        data = EnvironmentReady(**stamp(environment), url=environment.url or "", head_sha=plan.head_sha)
        tell(self._session, environment, data, "system")
        self._record_outcome(environment, plan.operation_id, succeeded=True)
        return environment.phase

    def _graph(
        self, plan: DeployPlan, resources: Sequence[GraphResource], outputs: Mapping[str, Any]
    ) -> ResourceGraph | None:
        if not resources:
            return None
        return resource_graph(
            GraphSource.DEPLOYMENT,
            resources,
            revision=plan.head_sha,
            outputs=list(outputs),
            masks=self._settings.policy_masks,
            secrets=plan.hidden,
        )

    def fail(
        self, lease: Lease, plan: DeployPlan, problem: Problem, *, interrupted: bool = False, passing: bool = False
    ) -> Phase:
        """Report that the plan could not be applied; what served before goes on serving.

        ``interrupted`` says that the engine was cut off, so that the stack must be recovered before its next use;
        ``passing`` that the reason may pass by itself, so that it is tried again after a while.
        """
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        self._stacks.mark_failed(lease, interrupted=interrupted)
        self._settle(environment, rules.fail(situation(environment), plan.generation))
        if environment.phase is not Phase.FAILED:
            self._superseded(environment, plan)
            return environment.phase
        environment.failure = problem.model_dump()
        environment.retry_at = retry_after(environment) if passing else None
        schedule(environment)
        serving = environment.observed_generation > 0 and environment.deployed_sha is not None
        if serving and environment.deployed_sha is not None:
            message = f"The version at commit {environment.deployed_sha[:12]} still answers."
            set_condition(environment, "Serving", "PreviousVersion", message, status=True)
        else:
            set_condition(environment, "Serving", "NeverHealthy", "Nothing has answered yet.", status=False)
        self._finish(plan.tenant_id, plan.operation_id, OperationState.FAILED, problem)
        data = EnvironmentFailed(**stamp(environment), code=problem.code, message=problem.message)
        tell(self._session, environment, data, "system")
        self._record_outcome(environment, plan.operation_id, succeeded=False)
        return environment.phase

    def abandon(
        self, lease: Lease, environment_id: UUID, generation: int, operation_id: UUID, problem: Problem
    ) -> None:
        """Record that no further try is made for a generation, if it is still the one that is wanted."""
        environment = find(self._session, lease.tenant_id, environment_id, lock=True)
        self._stacks.confirm(lease)
        if environment.desired is Desired.PRESENT and environment.generation == generation:
            if environment.phase in {Phase.QUEUED, Phase.UNKNOWN}:
                self._settle(environment, rules.begin(situation(environment), generation))
            if environment.phase in APPLYING:
                self._settle(environment, rules.fail(situation(environment), generation))
                environment.failure = problem.model_dump()
                data = EnvironmentFailed(**stamp(environment), code=problem.code, message=problem.message)
                tell(self._session, environment, data, "system")
        self._finish(lease.tenant_id, operation_id, OperationState.FAILED, problem)

    def _superseded(self, environment: Environment, plan: DeployPlan) -> None:
        clear_condition(environment, "Serving")
        self._finish(plan.tenant_id, plan.operation_id, OperationState.CANCELLED)
        told = {**stamp(environment), "generation": plan.generation}
        tell(self._session, environment, EnvironmentSuperseded(**told), "system")

    def _record_outcome(self, environment: Environment, operation_id: UUID, *, succeeded: bool) -> None:
        operation = self._operations.get(environment.tenant_id, operation_id)
        seconds = (now() - operation.created_at).total_seconds()
        subject = f"environments/{environment.id}"
        self._assets.record_outcome(environment.tenant_id, subject, succeeded=succeeded, seconds=seconds)
