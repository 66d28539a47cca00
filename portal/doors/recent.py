"""Answers of the standard doors that were given a moment ago, given again as long as nothing has happened since.

A build farm asks for the same pages and files over and over. Every change of state records an event, and PostgreSQL
tells every portal process of it when it commits, and whose index it may change; so an answer may be repeated to the
very same request as long as no event of that reach was recorded after its making began. Without that connection nothing
is repeated, and never anything older than a setting says, so that a token which expires, or a connection that dies
without a word, does not matter for longer.
"""

import hashlib
from asyncio import Event
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from catalog.tenancy import Principal
from portal.changes import Changes
from portal.idempotency import has_already

READS = frozenset({"GET", "HEAD"})
REPEATED = ("/simple", "/files/")
LARGEST = 4 * 1024 * 1024
"""The largest answer that is kept, in bytes."""
TOGETHER = 64 * 1024 * 1024
"""How much all of them may take, in bytes."""
OVERHEAD = 4096
"""What an answer takes beside its body, in bytes, rather too much than too little."""
_KEYED = (b"authorization", b"accept", b"range", b"if-range")


@dataclass
class Kept:
    """One answer to somebody of a tenant, with the time and the moment of `Changes` in which its making began."""

    since: float
    moment: int
    tenant_id: UUID
    template: str
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    @property
    def cost(self) -> int:
        """What keeping it takes, in bytes: small answers take space too."""
        return len(self.body) + OVERHEAD

    def header(self, name: bytes) -> str | None:
        """Return a header's value."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


class RecentAnswers:
    """Stands before the application; the key of an answer is all of the request that it depends on, token included."""

    def __init__(self, app: ASGIApp, changes: Changes, seconds: float) -> None:
        self._app = app
        self._changes = changes
        self._seconds = seconds
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._size = 0
        self._under_way: dict[bytes, Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Repeat an answer, or pass the request on and keep what comes back."""
        if scope["type"] != ScopeType.HTTP or not self._seconds:
            await self._app(scope, receive, send)
        elif scope["method"] not in READS:
            await self._app(scope, receive, self._noting(scope, send))
        elif (key := _key(scope)) is None:
            await self._app(scope, receive, send)
        elif (kept := self._find(key) or await self._awaited(key)) is not None:
            await _repeat(kept, scope, send)
        else:
            await self._make(scope, receive, send, key)

    async def _awaited(self, key: bytes) -> Kept | None:
        """Wait for the answer where the very same request is being answered, and return it if it may be repeated then.

        Many clients of a build farm come at once, and after each event all of them would have the same page made. One
        wait is enough: where things change faster than pages are made, each makes its own.
        """
        under_way = self._under_way.get(key)
        if under_way is None:
            return None
        await under_way.wait()
        return self._find(key)

    async def _make(self, scope: HTTPScope, receive: Receive, send: Send, key: bytes) -> None:
        moment = self._changes.now
        if moment is None:
            await self._app(scope, receive, send)
            return
        made = Event()
        self._under_way.setdefault(key, made)
        try:
            await self._app(scope, receive, self._keeping(scope, send, key, moment, made))
        finally:
            self._over(key, made)

    def _over(self, key: bytes, made: Event) -> None:
        made.set()
        if self._under_way.get(key) is made:
            del self._under_way[key]

    def _find(self, key: bytes) -> Kept | None:
        found = self._kept.get(key)
        if found is None or monotonic() - found.since > self._seconds:
            return None
        if not self._changes.nothing_since(found.moment, found.tenant_id):
            return None
        self._kept.move_to_end(key)
        return found

    def _noting(self, scope: HTTPScope, send: Send) -> Send:
        async def send_and_note(message: Message) -> None:
            # Of what was committed with an event is heard already; whatever else somebody did concerns their own.
            if message["type"] == "http.response.start" and (caller := _caller(scope)) is not None:
                self._changes.of_tenant(caller.tenant_id)
            await send(message)

        return send_and_note

    def _keeping(self, scope: HTTPScope, send: Send, key: bytes, moment: int, is_made: Event) -> Send:
        made: list[Kept] = []
        since = monotonic()

        async def send_and_keep(message: Message) -> None:
            caller = _caller(scope)
            if message["type"] == "http.response.start" and message["status"] in {200, 206} and caller is not None:
                template = str(scope.get("path_template") or "")
                headers = [(bytes(name).lower(), bytes(value)) for name, value in message["headers"]]
                made.append(Kept(since, moment, caller.tenant_id, template, message["status"], headers))
            elif message["type"] == "http.response.body" and made:
                made[0].body += message.get("body", b"")
                if not message.get("more_body", False):
                    self._keep(key, made[0])
                    self._over(key, is_made)  # before it is sent: whoever waits need not wait for a slow reader
            await send(message)

        return send_and_keep

    def _keep(self, key: bytes, answer: Kept) -> None:
        if len(answer.body) > LARGEST:
            return
        before = self._kept.pop(key, None)
        self._size += answer.cost - (before.cost if before else 0)
        self._kept[key] = answer
        while self._size > TOGETHER:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.cost


def _caller(scope: HTTPScope) -> Principal | None:
    """Return who was found to be asking, once the application has found out."""
    found: Principal | None = scope.get("user")
    return found


def _key(scope: HTTPScope) -> bytes | None:
    """Return what stands for a request, None where its answer is not one to be kept."""
    path = scope["path"]
    if not path.startswith("/t/"):
        return None
    _, slash, rest = path[3:].partition("/")
    if not slash or not f"/{rest}".startswith(REPEATED):
        return None
    digest = hashlib.sha256()
    has_token = False
    for name, value in scope["headers"]:
        if name == b"cookie":
            return None
        if name in _KEYED:
            has_token |= name == b"authorization"
            digest.update(b"%b:%d:%b" % (name, len(value), value))
    if not has_token:
        return None
    raw_path: Any = scope.get("raw_path") or path.encode()
    digest.update(b"%b %d:%b?%b" % (scope["method"].encode(), len(raw_path), raw_path, scope["query_string"]))
    return digest.digest()


async def _repeat(kept: Kept, scope: HTTPScope, send: Send) -> None:
    scope["path_template"] = kept.template  # for the figures: what would have answered
    wanted = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"), None)
    tag = kept.header(b"etag")
    if kept.status == 200 and tag is not None and has_already(wanted, tag):
        await send({"type": "http.response.start", "status": 304, "headers": [(b"etag", tag.encode("latin-1"))]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    await send({"type": "http.response.start", "status": kept.status, "headers": list(kept.headers)})
    await send({"type": "http.response.body", "body": kept.body, "more_body": False})
