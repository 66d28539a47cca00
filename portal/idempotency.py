"""Idempotency keys over HTTP: the first answer is kept, sealed, in the transaction of the effects it tells of."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from litestar import Response
from litestar.enums import ScopeType
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from multipart import (  # type: ignore[import-untyped]  # this distribution carries no types
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)
from sqlmodel import Session

from catalog.db import Database
from catalog.idempotency.models import Attempt, KeptAnswer, KeyedRequest
from catalog.idempotency.service import IdempotencyService
from catalog.tenancy import Principal
from portal.auth.identity import Identity, identity_of
from portal.threads import Threads

T = TypeVar("T")
HEADER = "idempotency-key"
REPLAYED = (b"idempotency-replayed", b"true")
API_BASE = "/api/v1"
_IN_MEMORY = 1024 * 1024
_CHUNK = 64 * 1024
_NONCE = 12
_STATE = "idempotency"


@dataclass
class Claim:
    """A keyed request under way: its right to proceed, the answer once there is one, and whether that was kept."""

    attempt: Attempt
    seal_key: bytes = field(repr=False)
    answer: ASGIResponse | None = None
    kept: bool = False
    released: bool = False


def claim_of(scope: Any) -> Claim | None:
    """Return the claim of this request, None where it carries no key."""
    claim: Claim | None = scope["state"].get(_STATE)
    return claim


def record_answer(session: Session, claim: Claim) -> None:
    """Keep the answer in the session's transaction, if the handler gave one that can be kept."""
    if claim.answer is not None and claim.answer.status_code < 300:
        IdempotencyService(session).keep(claim.attempt, _seal(claim.seal_key, claim.answer))


class Answer(Response[T]):
    """The response class of the API: kept for repetition where a key asks for it, tagged where it is a read."""

    def to_asgi_response(self, app: Any, request: Any, **options: Any) -> ASGIResponse:
        """Render the answer; a read that the caller already has becomes 304."""
        response = super().to_asgi_response(app, request, **options)
        claim = claim_of(request.scope)
        if claim is not None:
            claim.answer = response
        if request.method not in {"GET", "HEAD"} or response.status_code != 200:
            return response
        tag = response.headers.get("etag") or f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
        response.headers["ETag"] = tag
        if has_already(request.headers.get("if-none-match"), tag):
            return ASGIResponse(status_code=304, headers={"ETag": tag})
        return response


class Idempotency(ASGIMiddleware):
    """Carries a POST with an ``Idempotency-Key`` out once. Only the caller of the first one can read its answer."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = "anonymous"

    def __init__(self, database: Database, threads: Threads) -> None:
        self._database = database
        self._threads = threads

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Replay, refuse, or carry out."""
        key = _header(scope, HEADER)
        principal: Principal | None = scope.get("user")
        identity = identity_of(scope)
        if scope["type"] != ScopeType.HTTP or scope["method"] != "POST" or key is None or not principal or not identity:
            await next_app(scope, receive, send)
            return
        seal_key = _seal_key(identity, principal, key)
        with SpooledTemporaryFile(_IN_MEMORY) as body:
            fingerprint = await _read(scope, receive, body, seal_key)
            request = KeyedRequest(principal.tenant_id, principal.actor, _route(scope), key, fingerprint)
            found = await self._threads.run(self._claim, request)
            if isinstance(found, KeptAnswer):
                await _replay(_unseal(seal_key, found.sealed), send)
                return
            claim = Claim(found, seal_key)
            scope["state"][_STATE] = claim

            async def send_after_release(message: Message) -> None:
                # Let go before the refusal leaves, so that the caller may send it again at once.
                if message["type"] == "http.response.start":
                    await self._release(claim)
                await send(message)

            try:
                await next_app(scope, _again(body, receive), send_after_release)
            finally:
                await self._release(claim)

    def _claim(self, request: KeyedRequest) -> Attempt | KeptAnswer:
        with self._database.tenant_session(request.tenant_id) as session:
            return IdempotencyService(session).claim(request)

    async def _release(self, claim: Claim) -> None:
        if not claim.kept and not claim.released:
            claim.released = True
            await self._threads.end(self._let_go, claim.attempt)

    def _let_go(self, attempt: Attempt) -> None:
        with self._database.tenant_session(attempt.tenant_id) as session:
            IdempotencyService(session).release(attempt)


def _route(scope: Scope) -> str:
    return "POST " + str(scope["path_template"]).removeprefix(API_BASE)


def _header(scope: Scope, name: str) -> str | None:
    wanted = name.encode()
    found = next((value for key, value in scope["headers"] if key == wanted), None)
    return None if found is None else found.decode("latin-1")


def _seal_key(identity: Identity, principal: Principal, key: str) -> bytes:
    context = f"slipway idempotency 1\0{principal.tenant_id}\0{key}".encode()
    return hmac.digest(identity.secret.encode(), context, "sha256")


async def _read(scope: Scope, receive: Receive, body: SpooledTemporaryFile[bytes], key: bytes) -> str:
    handler = scope["route_handler"]
    limit = handler.resolve_request_max_body_size() if isinstance(handler, HTTPRouteHandler) else None
    media_type, options = parse_options_header(_header(scope, "content-type") or "")
    mark = hmac.new(key, digestmod="sha256")
    where = [str(scope["path"]).removeprefix(API_BASE), scope["query_string"].decode("latin-1"), media_type]
    mark.update(json.dumps(where).encode())
    if media_type == "multipart/form-data" and options.get("boundary"):
        # The boundary differs from one sending to the next; what stands between boundaries does not.
        parser = PushMultipartParser(options["boundary"])
        try:
            async for chunk in _limited(receive, limit):
                body.write(chunk)
                for part in parser.parse(chunk):
                    mark.update(_part(part))
        except MultipartError as error:
            raise ClientException(f"The multipart body cannot be read: {error}") from error
    else:
        async for chunk in _limited(receive, limit):
            body.write(chunk)
            mark.update(chunk)
    body.seek(0)
    return mark.hexdigest()


def _part(part: MultipartSegment | bytearray | None) -> bytes:
    if isinstance(part, MultipartSegment):
        return json.dumps([part.name, part.filename, part.content_type]).encode() + b"\0"
    return b"\0end\0" if part is None else bytes(part)


async def _limited(receive: Receive, limit: int | None) -> AsyncGenerator[bytes, None]:
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientException("The caller went away before the request was complete.")
        if message["type"] == "http.request":
            total += len(message["body"])
            if limit is not None and total > limit:
                raise RequestEntityTooLarge
            yield message["body"]
            if not message.get("more_body", False):
                return


def _again(body: SpooledTemporaryFile[bytes], receive: Receive) -> Receive:
    is_over = False

    async def receive_again() -> Any:
        nonlocal is_over
        if is_over:
            return await receive()
        chunk = body.read(_CHUNK)
        is_over = len(chunk) < _CHUNK
        return {"type": "http.request", "body": chunk, "more_body": not is_over}

    return receive_again


def _seal(key: bytes, answer: ASGIResponse) -> bytes:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers.headers]
    content = {"status": answer.status_code, "headers": headers, "body": base64.b64encode(answer.body).decode()}
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, json.dumps(content).encode(), None)


def _unseal(key: bytes, sealed: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None))
    return content


async def _replay(content: dict[str, Any], send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in content["headers"]]
    await send({"type": "http.response.start", "status": content["status"], "headers": [*headers, REPLAYED]})
    await send({"type": "http.response.body", "body": base64.b64decode(content["body"]), "more_body": False})


def has_already(header: str | None, tag: str) -> bool:
    """Tell whether a caller has what ``tag`` names, by its header ``If-None-Match``."""
    if header is None:
        return False
    given = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in given or tag.removeprefix("W/") in given
