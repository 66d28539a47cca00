"""Answers that are repeated: to the same request alone, and never past a change."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.events import outbox
from catalog.events.reach import EVERYBODY, NOBODY, TENANT
from catalog.events.registry import load_events
from catalog.notifications.events import NotificationQueued
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.changes import Changes
from portal.doors import recent
from portal.doors.recent import RecentAnswers

Client = TestClient[Litestar]
INDEX = "/t/acme/simple/"
FORM = {"format": "application/vnd.pypi.simple.v1+json"}
CALLER = Principal(UUID(int=1), "acme", "token:1", "x", frozenset({"assets:read"}))


def heard() -> Changes:
    """Return changes that are heard of, as in a portal that listens."""
    changes = Changes()
    changes.is_heard_of = True
    return changes


class Application:
    """An application that counts how often it answers; a fake, because what is tried is what stands before it."""

    def __init__(self, body: bytes = b"x") -> None:
        self.answers = 0
        self.body = body
        self.caller: Principal | None = CALLER

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.answers += 1
        scope["user"] = self.caller
        headers = [(b"etag", b'"1"')]
        await send({"type": "http.response.start", "status": scope.get("answer", 200), "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def ask(door: RecentAnswers, **changes: Any) -> tuple[int, bytes]:
    headers = changes.pop("headers", {"authorization": "Bearer a"})
    scope = {
        "type": "http",
        "method": "GET",
        "path": INDEX,
        "raw_path": INDEX.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        **changes,
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door(scope, None, send))  # type: ignore[arg-type]  # nothing is received
    return sent[0]["status"], sent[1]["body"]


def test_the_same_request_gets_the_same_answer() -> None:
    application = Application()
    door = RecentAnswers(application, heard(), 60)
    assert ask(door) == ask(door) == (200, b"x")
    assert application.answers == 1
    assert ask(door, headers={"authorization": "Bearer a", "if-none-match": '"1"'}) == (304, b"")
    assert application.answers == 1
    others: list[dict[str, Any]] = [
        {"headers": {"authorization": "Bearer b"}},
        {"headers": {"authorization": "Bearer a", "accept": "text/html"}},
        {"headers": {"authorization": "Bearer a", "range": "bytes=0-0"}},
        {"headers": {"authorization": "Bearer aa"}},
        {"method": "HEAD"},
        {"query_string": b"a"},
        {"path": INDEX + "a/", "raw_path": INDEX.encode() + b"a/"},
        {"raw_path": INDEX.encode() + b"%61/"},
    ]
    for number, changes in enumerate(others, 2):
        ask(door, **changes)
        assert application.answers == number, changes


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {}},
        {"headers": {"authorization": "Bearer a", "cookie": "a=b"}},
        {"path": "/t/acme/bundles/acme/x"},
        {"path": "/api/v1/assets"},
        {"path": "/t/"},
        {"answer": 404},
        {"answer": 401},
        {"method": "POST"},
    ],
)
def test_others_are_never_repeated(changes: dict[str, Any]) -> None:
    application = Application()
    door = RecentAnswers(application, heard(), 60)
    for _ in range(2):
        ask(door, **changes)
    assert application.answers == 2


class Slow(Application):
    """An application that answers when it is told to, and with what."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go.wait()
        scope["answer"] = self.status
        await super().__call__(scope, receive, send)


async def crowd(door: RecentAnswers, application: Slow, meanwhile: Callable[[list[Any]], None]) -> list[int]:
    """Ask eight times at once, and return the statuses; ``meanwhile`` is called with the tasks while they all wait."""

    async def one() -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", b"Bearer a")]
        scope = {"type": "http", "method": "GET", "path": INDEX, "query_string": b"", "headers": headers}
        await door(scope, None, send)  # type: ignore[arg-type]  # nothing is received
        return int(sent[0]["status"])

    asked = [asyncio.create_task(one()) for _ in range(8)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    meanwhile(asked)
    application.go.set()
    return [each for each in await asyncio.gather(*asked, return_exceptions=True) if isinstance(each, int)]


@pytest.mark.parametrize(
    ("case", "statuses", "least", "most"),
    [("still", [200] * 8, 1, 1), ("event", [200] * 8, 2, 8), ("refused", [401] * 8, 8, 8), ("left", [200] * 7, 1, 7)],
)
def test_who_asks_the_same_at_once_gets_one_answer_that_is_made_once(
    case: str, statuses: list[int], least: int, most: int
) -> None:
    changes = heard()

    async def run() -> tuple[list[int], int]:
        application = Slow()
        door = RecentAnswers(application, changes, 60)

        def meanwhile(asked: list[Any]) -> None:
            if case == "event":
                changes.of_everybody()
            elif case == "refused":
                application.status = 401
            elif case == "left":
                asked[0].cancel()

        return await crowd(door, application, meanwhile), application.answers

    found, made = asyncio.run(run())
    assert found == statuses
    assert least <= made <= most


def test_nothing_is_repeated_past_an_event_a_change_or_its_time() -> None:
    application = Application()
    changes = heard()
    door = RecentAnswers(application, changes, 0.2)
    ask(door)
    changes.hear("")
    ask(door)
    assert application.answers == 2
    ask(door, method="POST")
    ask(door)
    assert application.answers == 4
    time.sleep(0.25)
    ask(door)
    assert application.answers == 5
    changes.is_heard_of = False
    ask(door)
    assert application.answers == 6, "nobody would tell of changes"


def test_news_of_others_and_of_what_no_index_shows_leave_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    application, changes = Application(), heard()
    door = RecentAnswers(application, changes, 60)
    made = 1
    ask(door)
    for payload, is_made_again in [
        ("-", False),
        (str(UUID(int=2)), False),
        (str(UUID(int=1)), True),
        ("", True),
        ("of another release", True),
    ]:
        changes.hear(payload)
        ask(door)
        made += is_made_again
        assert application.answers == made, payload
    changes.committed("slipway_operations", "")
    ask(door)
    assert application.answers == made
    monkeypatch.setattr("portal.changes.MOST_TENANTS", 1)
    changes.hear(str(UUID(int=3)))
    ask(door)
    assert application.answers == made + 1, "whose changes are not remembered may have changed"
    application.caller = None
    for _ in range(2):
        ask(door, query_string=b"a")
    assert application.answers == made + 3, "nobody knows whose that is"


def test_it_is_decided_for_every_event_whose_index_it_may_change() -> None:
    assert not (NOBODY & TENANT) | (NOBODY & EVERYBODY) | (TENANT & EVERYBODY)
    ours = {each.event_name for each in load_events().values() if each.__module__.startswith(("catalog.", "workers."))}
    families = {each.partition(".")[0] for each in ours}
    assert families - (NOBODY | TENANT | EVERYBODY) == set(), "decide in catalog/events/reach.py"


def test_what_is_kept_stays_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "LARGEST", 10)
    monkeypatch.setattr(recent, "TOGETHER", 20)
    monkeypatch.setattr(recent, "OVERHEAD", 1)
    application = Application(b"0" * 8)
    door = RecentAnswers(application, heard(), 60)
    for name in (b"a", b"b", b"c"):
        ask(door, query_string=name)
    ask(door, query_string=b"c")
    assert application.answers == 3
    ask(door, query_string=b"a")
    assert application.answers == 4, "the oldest made room"
    application.body = b"0" * 11
    ask(door, query_string=b"d")
    ask(door, query_string=b"d")
    assert application.answers == 6


def test_what_is_shared_no_more_and_what_the_catalog_hides_is_gone_at_once(
    api: Client,
    client_of: Callable[..., Client],
    rival: Principal,
    new_wheel: Callable[..., tuple[str, bytes]],
    send: Callable[..., Any],
) -> None:
    theirs, reader = client_of(rival), api
    filename, data = new_wheel("rival-network", "1.0.0")
    sent = send(theirs, filename, data, tenant="rival")
    assert sent.status_code == 200, sent.text
    page = f"{INDEX}rival-network/"
    sharing, entry = "/api/v1/assets/rival/rival-network/sharing", "/api/v1/catalog/rival/rival-network"

    def seen() -> list[int]:
        return [reader.get(page, params=FORM).status_code for _ in range(3)]

    def share(**wanted: Any) -> None:
        answer = theirs.put(sharing, json=wanted)
        assert answer.status_code == 200, answer.text

    for _ in range(2):
        share(visibility="shared", tenants=["acme"])
        assert seen() == [200] * 3
        share(visibility="private")
        assert seen() == [404] * 3
    share(visibility="public")
    for hidden, status in ((False, 200), (True, 404), (False, 200)):
        assert reader.put(entry, json={"hidden": hidden}).status_code == 200
        assert seen() == [status] * 3


def test_a_revoked_token_and_a_new_version_are_seen_at_once(
    api: Client, publish_wheel: Callable[..., tuple[str, bytes]]
) -> None:
    made = api.post("/api/v1/tokens", json={"name": "x", "scopes": ["assets:read"]}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    for version in ("1.0.0", "1.1.0"):
        filename, data = publish_wheel(version=version)
        for _ in range(3):
            page = api.get(f"{INDEX}acme-network/", params=FORM, headers=headers)
            assert page.json()["files"][-1]["filename"] == filename
        file = f"/t/acme/files/{hashlib.sha256(data).hexdigest()}/{filename}"
        assert api.get(file, headers=headers).content == data
    assert api.delete(f"/api/v1/tokens/{made['id']}").status_code == 200
    assert api.get(f"{INDEX}acme-network/", params=FORM, headers=headers).status_code == 401
    assert api.get(file, headers=headers).status_code == 401


def test_what_another_process_changes_is_heard_of(api: Client, database: Database, acme: Principal) -> None:
    def names() -> list[str]:
        return [each["name"] for each in api.get(INDEX, params=FORM).json()["projects"]]

    assert names() == []
    with database.tenant_session(acme.tenant_id) as session:
        statement = "INSERT INTO distribution_projects (project, tenant_id, asset_id, claimed_at) VALUES "
        AssetService(session).claim_namespace(acme, "acme")
        session.execute(
            text(
                "INSERT INTO assets (id, tenant_id, namespace, name, kind, visibility, display_name, summary, license,"
                " keywords, archetypes, clouds, created_at, updated_at) VALUES (:tenant, :tenant, 'acme', 'x', 'k',"
                " 'private', 'x', 'x', 'x', '[]', '[]', '[]', now(), now())"
            ),
            {"tenant": acme.tenant_id},
        )
        session.execute(text(f"{statement} ('x', :tenant, :tenant, now())"), {"tenant": acme.tenant_id})
        session.execute(text("NOTIFY slipway_events"))
    deadline = time.monotonic() + 1
    while names() != ["x"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert names() == ["x"]


def test_what_others_share_and_take_back_is_seen_at_once(
    api: Client, client_of: Callable[..., Client], rival: Principal, publish_wheel: Callable[..., tuple[str, bytes]]
) -> None:
    other = client_of(rival)
    publish_wheel()
    page = "/t/rival/simple/acme-network/"
    sharing = "/api/v1/assets/acme/acme-network/sharing"
    for visibility, tenants, status in [
        ("private", [], 404),
        ("public", [], 200),
        ("private", [], 404),
        ("shared", ["rival"], 200),
        ("shared", ["third"], 404),
        ("public", [], 200),
    ]:
        body = {"visibility": visibility, "tenants": tenants}
        assert api.put(sharing, json=body).status_code == 200
        for _ in range(2):
            assert other.get(page, params=FORM).status_code == status, body
    filename, _ = publish_wheel(version="1.1.0")
    assert filename in other.get(page, params=FORM).text
    yanked = api.post("/api/v1/assets/acme/acme-network/versions/1.1.0/yank", json={"reason": "broken"})
    assert yanked.status_code == 200, yanked.text
    assert other.get(page, params=FORM).json()["files"][-1]["yanked"] == "broken"


def test_a_busy_neighbour_costs_no_answers(
    client_of: Callable[..., Client], portal: Litestar, database: Database, acme: Principal, rival: Principal
) -> None:
    api, changes = client_of(acme), portal.state.streams.changes
    assert api.get(INDEX).status_code == 200
    moment = changes.now
    with database.tenant_session(rival.tenant_id) as session:
        data = NotificationQueued(notification_id=UUID(int=5))
        outbox.append(session, data, tenant_id=rival.tenant_id, subject="notifications/5", actor="system")
    assert client_of(rival).post("/api/v1/tokens", json={"name": "x", "scopes": ["assets:read"]}).status_code == 201
    assert changes.now > moment
    assert changes.nothing_since(moment, acme.tenant_id)
    assert not changes.nothing_since(moment, rival.tenant_id)


def test_the_setting_turns_it_off(settings: Settings) -> None:
    assert settings.door_repeat_seconds > 0
    application = Application()
    door = RecentAnswers(application, heard(), 0)
    for _ in range(2):
        ask(door)
    assert application.answers == 2


def test_nobody_finds_that_nothing_has_changed_while_what_is_remembered_of_tenants_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal.changes.MOST_TENANTS", 1)
    changes = heard()
    found: list[bool] = []

    class Watched(dict[UUID, int]):
        def clear(self) -> None:
            super().clear()
            found.append(changes.nothing_since(0, UUID(int=1)))

    monkeypatch.setattr(changes, "_tenants", Watched())
    changes.of_tenant(UUID(int=1))
    changes.of_tenant(UUID(int=2))
    assert found == [False]
    assert not changes.nothing_since(1, UUID(int=1))
