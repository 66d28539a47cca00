"""Policies see what the engine would do before it does anything, at the very first request already."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from catalog.clock import now
from catalog.environments.models import Phase
from catalog.gates import PolicyDesk
from catalog.gates.inputs import input_schema
from catalog.policies.shapes import CreateBinding, CreateWaiver, EvaluationFilter, Scope

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import

NO_ROUTES = """
deny contains {"rule": "no-routes", "message": sprintf("%s would be public.", [each.name])} if {
	input.plan.source == "preview"
	some each in input.plan.resources
	each.type == "slipway:local:Route"
	each.operation == "create"
}
"""


def test_a_policy_on_the_plan_stops_the_first_request_before_anything_is_changed(
    world: World, publish_policy: Callable[..., str]
) -> None:
    publish_policy(world.principal, "plans", NO_ROUTES)
    with world.database.tenant_session(world.principal.tenant_id) as session:
        desk = PolicyDesk(session, world.settings)
        desk.policies.bind(world.principal, CreateBinding(bundle="acme/plans"))
    world.work()  # what follows from the binding itself
    environment_id = world.request(inputs={"greeting": "Ahoy"})
    world.work()
    refused = world.look(environment_id)
    assert refused.phase is Phase.FAILED
    assert refused.failure is not None
    assert refused.failure.code == "policy_refused"
    assert "route would be public" in refused.failure.message
    assert refused.resources == []
    assert world.visit(refused)[0] == 404
    assert not world.left_over(refused), world.left_over(refused)
    condition = next(each for each in refused.conditions if each.type == "Allowed")
    assert (condition.status, condition.reason) == (False, "PlanRefused")

    with world.database.tenant_session(world.principal.tenant_id) as session:
        policies = PolicyDesk(session, world.settings).policies
        kept = policies.evaluations(world.principal.tenant_id, EvaluationFilter(allowed=False))
        assert [(each.point, each.actor) for each in kept] == [("environment_request", world.principal.actor)]
        assert (refused.verdict.allowed, refused.verdict.evaluation) == (False, kept[0].id)
        plan = json.loads(kept[0].input)["plan"]
        assert {each["operation"] for each in plan["resources"]} == {"create"}
        Draft202012Validator(input_schema()).validate(json.loads(kept[0].input))
        waiver = CreateWaiver(
            rule="no-routes",
            scope=Scope(),
            reason="A demo that the public may see.",
            owner="platform",
            expires_at=now() + timedelta(hours=1),
        )
        policies.waive(world.principal, waiver)
    ran = world.work()
    assert ran.index("environments.ask_again") < ran.index("environments.provision")
    ready = world.look(environment_id)
    assert (ready.phase, ready.failure) == (Phase.READY, None)
    assert world.visit(ready) == (200, "one Ahoy")
    assert [each.type for each in ready.conditions] == ["Serving"]
    world.destroy(environment_id)
    world.work()
