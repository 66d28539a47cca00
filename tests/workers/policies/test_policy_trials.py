"""Policies that are being written: tried with the real OPA in the sandbox, with coverage and trace."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog.db import Database
from catalog.errors import InvalidInputError, NotFoundError
from catalog.gates import TrialDesk
from catalog.operations.models import OperationState
from catalog.operations.service import OperationService
from catalog.policies.shapes import AskTrial, TrialRead
from catalog.settings import Settings, load_settings
from catalog.tenancy import Principal
from workers.main import App
from workers.policy_trials import WORKER
from workers.runtime.drain import drain
from workers.runtime.registry import registry

SOURCE = """package release

deny contains "nobody owns it" if {
\tnot input.release.owner
}

deny contains "never" if {
\tinput.release.owner == "nobody"
\tinput.release.never
}
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Use the OPA of the machine."""
    return settings.model_copy(update={"tools_dir": load_settings().tools_dir})


@pytest.fixture
def attempt(database: Database, settings: Settings, acme: Principal) -> Callable[..., TrialRead]:
    """What tries a policy and returns what came of it."""

    def run(source: str, document: str = "{}", rule: str = "deny") -> TrialRead:
        with database.tenant_session(acme.tenant_id) as session:
            asked = AskTrial(source=source, rule=rule, input=document)
            trial_id = TrialDesk(session, settings).request(acme, asked).id
        app = App(settings, registry([WORKER]))
        drain(app, patience=timedelta(seconds=1))
        app.close()
        with database.tenant_session(acme.tenant_id) as session:
            trial = TrialDesk(session, settings).get(acme.tenant_id, trial_id)
            operation = OperationService(session).get(acme.tenant_id, trial.operation_id)
        assert operation.state is OperationState.SUCCEEDED, operation.error
        return trial

    return run


def test_result_coverage_and_trace(attempt: Callable[..., TrialRead]) -> None:
    outcome = attempt(SOURCE, '{"release": {"service": "web", "password": "hunter2"}}').outcome
    assert outcome is not None
    assert outcome["result"] == ["nobody owns it"]
    (lines,) = outcome["coverage"].values()
    assert 4 in lines["covered"]
    assert 9 in lines["uncovered"]
    assert any("Enter" in line for line in outcome["trace"])
    assert "hunter2" not in str(outcome)


def test_a_policy_that_cannot_be_read_says_where(attempt: Callable[..., TrialRead]) -> None:
    outcome = attempt("package release\n\ndeny contains x if {\n").outcome
    assert outcome is not None
    assert outcome["errors"]


def test_what_reaches_out_is_refused(attempt: Callable[..., TrialRead]) -> None:
    outcome = attempt(
        'package release\n\ndeny contains x if x := http.send({"method": "get", "url": "http://a"})\n'
    ).outcome
    assert outcome is not None
    assert "http.send" in str(outcome["errors"])


@pytest.mark.parametrize(("source", "document"), [("deny := true", "{}"), ("package a", "no json")])
def test_what_is_no_policy_is_refused_at_once(
    database: Database, settings: Settings, acme: Principal, source: str, document: str
) -> None:
    with database.tenant_session(acme.tenant_id) as session, pytest.raises(InvalidInputError):
        TrialDesk(session, settings).request(acme, AskTrial(source=source, input=document))


def test_trials_belong_to_their_tenant(
    database: Database, settings: Settings, acme: Principal, rival: Principal
) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        trial = TrialDesk(session, settings).request(acme, AskTrial(source=SOURCE, input="{}"))
    with database.tenant_session(rival.tenant_id) as session, pytest.raises(NotFoundError):
        TrialDesk(session, settings).get(rival.tenant_id, trial.id)
