"""Bringing about once more what an environment's row says, by the clock or a sweep, where policies still allow it."""

from sqlmodel import Session

from catalog.environments.models import Environment
from catalog.environments.service.generations import demand
from catalog.environments.service.rows import NOT_REMADE, set_condition
from catalog.gating import GatePoint, PolicyRefusedError, pass_gate, verdict_summary


def remake(session: Session, environment: Environment, reason: str, *, attempt: int = 0) -> bool:
    """Ask policies, and write a new generation; tell whether they allow it.

    A refusal changes nothing but what the environment's page says: it is kept once, and is asked again when policies
    or exceptions change.
    """
    # What the first try was asked at its gate is what each further one is asked, until it was there once.
    point = GatePoint.ENVIRONMENT_UPDATE if environment.observed_generation else GatePoint.ENVIRONMENT_REQUEST
    try:
        with session.begin_nested():
            subject = f"environments/{environment.id}"
            verdict = pass_gate(session, environment.tenant_id, point, subject, "system")
            environment.verdict = verdict_summary(verdict)
            demand(session, environment, "system", reason, attempt=attempt)
    except PolicyRefusedError as refusal:
        refusal.keep(session)
        environment.verdict, environment.retry_at = verdict_summary(refusal.verdict), None
        set_condition(environment, NOT_REMADE, "PolicyRefused", f"It is not made again. {refusal.detail}", status=False)
        session.add(environment)
        return False
    return True


def is_kept_from_it(environment: Environment) -> bool:
    """Tell whether policies were asked already, and nothing has changed since."""
    return any(each["type"] == NOT_REMADE for each in environment.conditions)
