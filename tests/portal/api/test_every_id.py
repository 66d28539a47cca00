"""Every id in every route: that of another tenant's thing answers, records and logs exactly what a free one does."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from sqlalchemy import text
from sqlmodel import Session, SQLModel

from catalog.clock import now
from catalog.db import Database
from catalog.events import outbox
from catalog.tenancy import Principal
from catalog.tenants.events import TokenRevoked

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TABLES = {
    "approval_id": "approvals",
    "attestation_id": "attestations",
    "automation_id": "environment_automations",
    "binding_id": "policy_bindings",
    "campaign_id": "campaigns",
    "connection_id": "scm_connections",
    "delegation_id": "approval_delegations",
    "environment_id": "environments",
    "evaluation_id": "policy_evaluations",
    "identity_id": "publisher_identities",
    "impact_id": "policy_impacts",
    "install_id": "installs",
    "key_id": "signing_keys",
    "notification_id": "notifications",
    "operation_id": "operations",
    "plan_id": "install_plans",
    "proof_id": "publisher_proofs",
    "proposal_id": "proposals",
    "publisher_id": "trusted_publishers",
    "registry_id": "artifact_registries",
    "release_id": "releases",
    "sbom_id": "sboms",
    "search_id": "saved_searches",
    "session_id": "publishing_sessions",
    "subscription_id": "notification_subscriptions",
    "token_id": "api_tokens",
    "trial_id": "policy_trials",
    "upload_id": "uploads",
    "waiver_id": "policy_waivers",
}
"""What each id in a path is the key of: a route with another kind of id has to say so here."""
PERSONAL = {"search_id", "notification_id"}
"""Ids of what one person of a tenant has, which its tokens do not find."""
BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/environments/{environment_id}/extend": {"by": "PT1H"},
    "/environments/{environment_id}/extend": {"by": "PT1H"},
    **{f"/api/v1/uploads/sessions/{{session_id}}/{verb}": {"comment": "x"} for verb in ("submit", "publish")},
    **{f"/api/v1/installs/{{install_id}}/{verb}": {} for verb in ("upgrade", "uninstall")},
    "/api/v1/installs/{install_id}/rollback": {"revision": 1},
    "/api/v1/installs/{install_id}/labels": {"labels": {"tier": "x"}},
    **{f"/api/v1/approvals/{{approval_id}}/{verb}": {"comment": "x"} for verb in ("approve", "deny")},
    **{f"/api/v1/proposals/{{proposal_id}}/{verb}": {"comment": "x"} for verb in ("approve", "reject")},
    "/api/v1/searches/{search_id}": {"name": "x"},
    "/searches/{search_id}/rename": {"name": "x"},
    "/api/v1/scm/connections/{connection_id}/credentials": {"credentials": {"token": "x"}},
    "/api/v1/scm/connections/{connection_id}/repositories": {"address": "https://git.example.com/acme/web"},
    "/policies/evaluations/{evaluation_id}/override": {"reason": "It has to go out.", "days": "1", "rule": "a.b"},
}
REASON = {"reason": "It is broken."}


def value_of(kind: Any, name: str, length: int | None) -> Any:
    """Return a value for a column that nobody gave one."""
    if kind is UUID:
        return uuid4()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    simple: dict[Any, Any] = {
        str: f"zq{uuid4().hex[:8]}{name}"[: length or 40],
        int: 1,
        bool: True,
        float: 1.0,
        bytes: b"zq",
    }
    simple |= {datetime: now(), date: now().date(), dict: {}, list: []}
    return simple[getattr(kind, "__origin__", kind)]


def add_row(session: Session, table: str, tenant_id: UUID, given: Mapping[str, Any] | None = None) -> Any:
    """Write one row of a table, and before it one of each table that it has to refer to."""
    models = {each.class_.__tablename__: each.class_ for each in SQLModel._sa_registry.mappers}  # noqa: SLF001
    model = models[table]
    values: dict[str, Any] = {"tenant_id": tenant_id, **(given or {})}
    for constraint in model.__table__.foreign_key_constraints:
        other = constraint.referred_table.name
        columns = [each for each in constraint.columns if each.name not in values]
        if other == "tenants" or not columns or all(each.nullable for each in columns):
            continue
        parent = add_row(session, other, tenant_id)
        values |= {each.parent.name: getattr(parent, each.column.name) for each in constraint.elements}
    for name, field in model.model_fields.items():
        if name not in values and field.is_required():
            length = getattr(model.__table__.columns[name].type, "length", None)
            values[name] = value_of(field.annotation, name, length)
    row = model(**{name: value for name, value in values.items() if name in model.model_fields})
    session.add(row)
    session.flush()
    return row


def dead_letter(database: Database, tenant_id: UUID) -> str:
    """Write a job of a tenant that failed for good; no tenant may write one itself."""
    with database.tenant_session(tenant_id) as session:
        data = TokenRevoked(token_id=uuid4(), name="x")
        event = outbox.append(session, data, tenant_id=tenant_id, subject="tokens/x", actor="test")
        event_id = event.id
    with database.system_session() as session:
        statement = text(
            "INSERT INTO deliveries (id, tenant_id, event_id, position, subject, job, state, attempt, failures,"
            " next_attempt_at, last_error, finished_at)"
            " OVERRIDING SYSTEM VALUE"
            " VALUES (900000001, :tenant, :event, 1, 'tokens/x', 'test.job', 'dead', 3, 3, now(), 'broken', now())"
            " RETURNING id"
        )
        return str(session.connection().execute(statement, {"tenant": tenant_id, "event": event_id}).scalar_one())


@pytest.fixture
def theirs(database: Database, rival: Principal) -> dict[str, str]:
    """Give another tenant one of everything that has an id, and return the ids."""
    found = {}
    for parameter, table in TABLES.items():
        with database.tenant_session(rival.tenant_id) as session:
            found[parameter] = str(add_row(session, table, rival.tenant_id).id)
    return {**found, "delivery_id": dead_letter(database, rival.tenant_id)}


def routes(portal: Litestar) -> Iterator[tuple[str, str, list[str]]]:
    """Yield method, path and ids of every handler whose path holds an id."""
    for route in portal.routes:
        if isinstance(route, HTTPRoute):
            ids = [name for name in route.path_parameters if name.endswith("_id")]
            for method in METHODS if ids else ():
                if method in route.methods:
                    yield method, route.path_format, ids


@dataclass(frozen=True)
class Answer:
    """All that a caller, and a reader of the log, gets of one request."""

    status: int
    body: str
    headers: dict[str, str]
    log: list[str]


@dataclass
class Probe:
    """Asks for one path with some ids, and takes them out of what comes back."""

    api: Client
    browser: Client
    caplog: pytest.LogCaptureFixture

    def ask(self, method: str, path: str, ids: dict[str, str]) -> Answer:
        """Return the answer to one request."""
        is_api = path.startswith("/api/")
        client = self.api if is_api else self.browser
        body = BODIES.get(path, REASON)
        content: dict[str, Any] = {} if method == "GET" else {"json" if is_api else "data": body}
        self.caplog.clear()
        found = client.request(method, filled(path, ids), follow_redirects=False, **content)
        # First the request's own id, which may hold a small number by chance.
        named = {"request": found.headers.get("x-request-id", "none"), **ids}
        varying = {"x-request-id", "content-length"}
        headers = {name: value for name, value in found.headers.items() if name not in varying}
        log = [f"{each.levelname} {each.getMessage()}" for each in self.caplog.records if each.name != "httpx"]
        plain = (hidden(text_, named) for text_ in (found.text, json.dumps(headers), json.dumps(log)))
        text_, kept, logged = plain
        return Answer(found.status_code, text_, json.loads(kept), json.loads(logged))


def filled(path: str, ids: Mapping[str, str]) -> str:
    """Return the address of a route: what is no id is the same for everybody."""
    rest = {"verb": "publish", "number": "1", "digest": "0" * 64, "path": "a"}
    return path.format(**{name: rest.get(name, "x") for name in re.findall(r"{(\w+)}", path)} | dict(ids))


def hidden(text_: str, names: dict[str, str]) -> str:
    """Return a text without the ids, which differ in nothing else: all are as long as one another."""
    for name, value in names.items():
        text_ = text_.replace(value, f"<{name}>")
    return text_


def test_what_is_anothers_is_answered_recorded_and_logged_as_what_is_not_there(
    portal: Litestar,
    api: Client,
    browser: Client,
    theirs: dict[str, str],
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    probe = Probe(api, browser, caplog)
    free = {name: str(uuid4()) for name in theirs} | {"delivery_id": "900000007"}
    before = written(database)
    seen: set[str] = set()
    refused = 0
    for method, path, names in routes(portal):
        assert set(names) <= theirs.keys(), f"{path}: say in TABLES what {names} are the keys of"
        known = probe.ask(method, path, {name: theirs[name] for name in names})
        unknown = probe.ask(method, path, {name: free[name] for name in names})
        assert known == unknown, (method, path)
        # A body that is refused whatever it is about is no leak; BODIES has what gets further.
        assert known.status in {404, 422}, (method, path, known)
        refused += known.status == 422
        seen.update(names)
    assert refused <= 4, "bodies that do not reach the row: add theirs to BODIES"
    assert seen == theirs.keys(), "each kind of id is in some route"
    assert written(database) == before, "a question leaves nothing behind, in no tenant"


def written(database: Database) -> int:
    """Return the number of the last event of all tenants."""
    with database.system_session() as session:
        return int(session.connection().execute(text("SELECT count(*) FROM events")).scalar_one())


def test_the_owner_finds_each_of_them(
    portal: Litestar, client_of: NewClient, rival: Principal, theirs: dict[str, str]
) -> None:
    client = client_of(rival)
    missed = []
    for method, path, names in routes(portal):
        if method == "GET" and path.startswith("/api/") and not path.endswith(("/events", "/envelope", "/logs")):
            status = client.get(filled(path, {name: theirs[name] for name in names})).status_code
            # What lies below a row, such as its files, need not be there.
            missed += [(path, status)] if status == 404 and path.endswith("}") and not set(names) & PERSONAL else []
    assert missed == []
