"""MultiCloudProvisioningService: stacks, who may change them, and what is known of them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.stacks import queries
from catalog.stacks.errors import LeaseLostError, StackBusyError
from catalog.stacks.events import StackApplied, StackDestroyed
from catalog.stacks.graph import ResourceGraph
from catalog.stacks.models import Lease, Stack, StackResource, StackState

LEASE = timedelta(seconds=30)


class MultiCloudProvisioningService:
    """One unit of work on stacks; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ensure(self, tenant_id: UUID, project: str, name: str, owner: str, target: str) -> Stack:
        """Return the stack of that name, recorded as empty if it is new. ``owner`` is the subject it serves."""
        found = queries.by_name(self._session, tenant_id, project, name)
        if found is None:
            found = Stack(tenant_id=tenant_id, project=project, name=name, owner=owner, target=target)
            self._session.add(found)
            self._session.flush()
        return found

    def named(self, tenant_id: UUID, project: str, name: str) -> Stack | None:
        """Return the tenant's stack of that name, None where it has none."""
        return queries.by_name(self._session, tenant_id, project, name)

    def get(self, tenant_id: UUID, stack_id: UUID) -> Stack:
        """Return the stack; raise ``NotFoundError`` where the tenant has none of that id."""
        found = queries.by_id(self._session, tenant_id, stack_id)
        if found is None:
            raise NotFoundError(f"There is no stack {stack_id}.")
        return found

    def living(self, tenant_id: UUID) -> Sequence[Stack]:
        """Return the stacks that have not been destroyed."""
        return queries.living(self._session, tenant_id)

    def acquire(self, tenant_id: UUID, stack_id: UUID, holder: str) -> Lease:
        """Take the stack's lease for ``LEASE``; raise ``StackBusyError`` while someone else holds a live one."""
        stack = self._locked(tenant_id, stack_id)
        if stack.lease_holder is not None and stack.lease_until is not None and stack.lease_until > now():
            raise StackBusyError("Another operation is changing this stack at the moment.")
        stack.fence += 1
        stack.lease_holder = holder
        stack.lease_until = now() + LEASE
        if stack.state is StackState.CHANGING:
            stack.state = StackState.UNKNOWN
        self._session.add(stack)
        interrupted = stack.state is StackState.UNKNOWN
        return Lease(tenant_id, stack_id, holder, stack.fence, interrupted)

    def confirm(self, lease: Lease) -> Stack:
        """Return the stack, locked, if the lease still holds; raise ``LeaseLostError`` where it was taken over."""
        stack = self._locked(lease.tenant_id, lease.stack_id)
        if stack.fence != lease.fence or stack.lease_holder != lease.holder:
            raise LeaseLostError("This stack has been taken over by another worker.")
        return stack

    def renew(self, lease: Lease) -> None:
        """Prolong the lease from now; raise ``LeaseLostError`` where it was taken over."""
        stack = self.confirm(lease)
        stack.lease_until = now() + LEASE
        self._session.add(stack)

    def release(self, lease: Lease) -> None:
        """Give the lease back; one that was lost is left alone."""
        stack = self._locked(lease.tenant_id, lease.stack_id)
        if stack.fence == lease.fence and stack.lease_holder == lease.holder:
            stack.lease_holder = None
            stack.lease_until = None
            self._session.add(stack)

    def mark_changing(self, lease: Lease) -> None:
        """Record that the engine is about to act, so that a crash from here on is known to be one."""
        self._move(self.confirm(lease), StackState.CHANGING)

    def doubt(self, tenant_id: UUID, stack_id: UUID) -> None:
        """Record that the world is not as the stack says, so that whoever takes it next looks first."""
        stack = self._locked(tenant_id, stack_id)
        if stack.state is StackState.APPLIED:
            self._move(stack, StackState.UNKNOWN)

    def mark_recovered(self, lease: Lease) -> None:
        """Record that an interrupted stack has been recovered and refreshed."""
        self._move(self.confirm(lease), StackState.APPLIED)

    def mark_applied(
        self,
        lease: Lease,
        resources: Sequence[StackResource],
        outputs: Mapping[str, Any],
        graph: ResourceGraph | None = None,
    ) -> Stack:
        """Record what the stack consists of now, and the graph of it where the engine told one."""
        stack = self.confirm(lease)
        stack.graph = None if graph is None else graph.model_dump(mode="json")
        stack.resources = [resource.model_dump() for resource in resources]
        stack.outputs = dict(outputs)
        self._move(stack, StackState.APPLIED)
        self._tell(stack, StackApplied(stack_id=stack.id, resources=len(stack.resources)))
        return stack

    def mark_failed(self, lease: Lease, *, interrupted: bool) -> None:
        """Record that an apply did not succeed; an interrupted one must be recovered before the next use."""
        self._move(self.confirm(lease), StackState.UNKNOWN if interrupted else StackState.APPLIED)

    def mark_destroyed(self, lease: Lease) -> Stack:
        """Record that nothing of the stack is left."""
        stack = self.confirm(lease)
        stack.resources = []
        stack.outputs = {}
        stack.graph = None
        self._move(stack, StackState.DESTROYED)
        self._tell(stack, StackDestroyed(stack_id=stack.id))
        return stack

    def _locked(self, tenant_id: UUID, stack_id: UUID) -> Stack:
        found = queries.by_id(self._session, tenant_id, stack_id, lock=True)
        if found is None:
            raise NotFoundError(f"There is no stack {stack_id}.")
        return found

    def _move(self, stack: Stack, state: StackState) -> None:
        stack.state = state
        stack.changed_at = now()
        self._session.add(stack)

    def _tell(self, stack: Stack, data: EventData) -> None:
        outbox.append(self._session, data, tenant_id=stack.tenant_id, subject=f"stacks/{stack.id}", actor="system")
