"""TrialDesk: a policy that somebody writes, tried on an input before it is published."""

import json
import re
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.operations.models import OperationState, Problem, Step, StepState
from catalog.operations.service import OperationService
from catalog.policies import queries
from catalog.policies.events import PolicyTrialRequested
from catalog.policies.masking import mask
from catalog.policies.models import Trial
from catalog.policies.shapes import AskTrial, TrialRead
from catalog.settings import Settings
from catalog.tenancy import Principal

STEPS = (Step(name="evaluate", title="Ask OPA, with trace and coverage, in the sandbox"),)
_PACKAGE = re.compile(r"^\s*(?:#[^\n]*\n|\s)*package\s+([A-Za-z_][A-Za-z0-9_.]*)", re.ASCII)


class TrialDesk:
    """One unit of work on trials; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._operations = OperationService(session)

    def request(self, principal: Principal, asked: AskTrial) -> Trial:
        """Let a worker try a policy; raise ``InvalidInputError`` where it has no package or the input is no JSON."""
        principal.require("policies:write")
        package = _PACKAGE.match(asked.source)
        if package is None:
            detail = "Begin with the package, such as: package release"
            raise InvalidInputError(detail, [FieldError("/source", detail)])
        try:
            document = json.loads(asked.input)
        except (ValueError, RecursionError) as error:
            detail = f"This is not JSON: {error}."
            raise InvalidInputError(detail, [FieldError("/input", detail)]) from None
        masked = mask(document, self._settings.policy_masks)
        operation = self._operations.start(principal.tenant_id, "policy.try", "policies/trials", STEPS, principal.actor)
        trial = Trial(
            tenant_id=principal.tenant_id,
            source=asked.source,
            query=f"{package[1].replace('.', '/')}/{asked.rule}",
            input=json.dumps(masked, ensure_ascii=False).encode(),
            operation_id=operation.id,
            created_by=principal.name,
        )
        self._session.add(trial)
        self._session.flush()
        data = PolicyTrialRequested(trial_id=trial.id, operation_id=operation.id)
        subject = f"policies/trials/{trial.id}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)
        return trial

    def get(self, tenant_id: UUID, trial_id: UUID) -> TrialRead:
        """Return one trial; raise ``NotFoundError`` where the tenant has none of that id."""
        return TrialRead.model_validate(self._find(tenant_id, trial_id))

    def begin(self, tenant_id: UUID, trial_id: UUID) -> TrialRead | None:
        """Return what is to be tried, None where that was done before."""
        trial = self._find(tenant_id, trial_id)
        if trial.finished_at is not None:
            return None
        self._operations.run(tenant_id, trial.operation_id)
        self._operations.step(tenant_id, trial.operation_id, "evaluate", StepState.RUNNING)
        return TrialRead.model_validate(trial)

    def conclude(self, tenant_id: UUID, trial_id: UUID, outcome: dict[str, Any]) -> None:
        """Write down what OPA said; once is enough."""
        trial = self._find(tenant_id, trial_id, lock=True)
        if trial.finished_at is not None:
            return
        trial.outcome = outcome
        trial.finished_at = now()
        self._session.add(trial)
        self._session.flush()
        self._operations.finish(tenant_id, trial.operation_id, OperationState.SUCCEEDED)

    def abandon(self, tenant_id: UUID, trial_id: UUID, reason: str) -> None:
        """End the operation, because no further try is made."""
        trial = self._find(tenant_id, trial_id)
        problem = Problem(code="trial_failed", message=reason, hint="Run slipway doctor where the worker runs.")
        self._operations.finish(tenant_id, trial.operation_id, OperationState.FAILED, problem)

    def _find(self, tenant_id: UUID, trial_id: UUID, *, lock: bool = False) -> Trial:
        found = queries.trial(self._session, tenant_id, trial_id, lock=lock)
        if found is None:
            raise NotFoundError(f"There is no trial {trial_id}.")
        return found
