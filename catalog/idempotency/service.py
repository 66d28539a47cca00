"""IdempotencyService: one request, one effect, one answer."""

from uuid import uuid4

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete

from catalog.clock import now
from catalog.errors import ConflictError
from catalog.idempotency import queries, rules
from catalog.idempotency.errors import KeyReusedError, RequestInFlightError
from catalog.idempotency.models import Attempt, IdempotencyKey, KeptAnswer, KeyedRequest


class IdempotencyService:
    """One unit of work on idempotency keys; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(self, request: KeyedRequest) -> Attempt | KeptAnswer:
        """Take the right to carry the request out, or return the answer that it got before.

        Raises ``InvalidKeyError`` for a key that is none, ``KeyReusedError`` where the key belongs to another request,
        and ``RequestInFlightError`` while the same request is under way. An attempt that fell silent is taken over
        after ``rules.LOCK``.
        """
        rules.check_key(request.key)
        moment = now()
        expired = delete(IdempotencyKey).where(
            col(IdempotencyKey.tenant_id) == request.tenant_id, col(IdempotencyKey.expires_at) <= moment
        )
        self._session.exec(expired)
        attempt, row_id = uuid4(), uuid4()
        values = {
            "id": row_id,
            "tenant_id": request.tenant_id,
            "actor": request.actor,
            "route": request.route,
            "key": request.key,
            "fingerprint": request.fingerprint,
            "attempt": attempt,
            "created_at": moment,
            "locked_until": moment + rules.LOCK,
            "expires_at": moment + rules.RETENTION,
        }
        statement = insert(IdempotencyKey).values(values).on_conflict_do_nothing()
        inserted = self._session.connection().execute(statement.returning(col(IdempotencyKey.id))).scalar_one_or_none()
        if inserted is not None:
            return Attempt(request.tenant_id, row_id, attempt)
        return self._meet(request)

    def keep(self, attempt: Attempt, sealed: bytes) -> None:
        """Keep the answer, in the transaction of the effects that it tells of.

        Raises ``ConflictError`` where another attempt took over: these effects must not be committed as well.
        """
        row = queries.held(self._session, attempt)
        if row is None:
            raise ConflictError("The same request was carried out again meanwhile, because this one took too long.")
        row.answer = sealed
        self._session.add(row)

    def release(self, attempt: Attempt) -> None:
        """Let the key go after a request that had no effect, so that it can be sent again."""
        row = queries.held(self._session, attempt)
        if row is not None and row.answer is None:
            self._session.delete(row)

    def _meet(self, request: KeyedRequest) -> Attempt | KeptAnswer:
        row = queries.locked(self._session, request)
        moment = now()
        # A row that vanished since the insert was released just now; a moment later the key is free.
        found = rules.Meeting.IN_FLIGHT if row is None else rules.meet(row, request.fingerprint, moment)
        if row is None or found is rules.Meeting.IN_FLIGHT:
            raise RequestInFlightError("A request with this key is under way. Ask again in a moment.")
        if found is rules.Meeting.OTHER_REQUEST:
            raise KeyReusedError("This key was used for a request with another content. Use a new key.")
        if found is rules.Meeting.ANSWERED and row.answer is not None:
            return KeptAnswer(row.answer)
        row.attempt = uuid4()
        row.fingerprint = request.fingerprint
        row.answer = None
        row.locked_until = moment + rules.LOCK
        row.expires_at = moment + rules.RETENTION
        self._session.add(row)
        return Attempt(request.tenant_id, row.id, row.attempt)
