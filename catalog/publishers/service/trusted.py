"""TrustedPublisherService: whose CI jobs may publish what, and the exchange of their identities for tokens."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.assets.errors import InvalidReferenceError
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.db import Database
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.providers.identities import IdentityRefusedError
from catalog.providers.identities.verification import Identity, issuers
from catalog.publishers import queries, rules
from catalog.publishers.errors import NoTrustedPublisherError
from catalog.publishers.events import TrustedPublisherAdded, TrustedPublisherRemoved, TrustedPublisherUsed
from catalog.publishers.models import AddTrustedPublisher, PublishingToken, TrustedPublisher, TrustedPublisherRead
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.models import NewToken
from catalog.tenants.service import TenantService

TOKEN_LIFE = timedelta(minutes=15)


class TrustedPublisherService:
    """One unit of work on a tenant's trusted publishers; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, principal: Principal, request: AddTrustedPublisher, settings: Settings) -> TrustedPublisherRead:
        """Let the jobs of a repository publish one asset; asking again changes nothing.

        Raises ``InvalidInputError`` for an unknown issuer or a name that is none, ``NamespaceTakenError`` for a
        namespace of another publisher. The namespace is not claimed: the first publication does that.
        """
        principal.require("assets:admin")
        namespace, name = _asset(request.asset)
        issuer = issuers(settings).get(request.issuer.rstrip("/"))
        if issuer is None:
            fix = f"Choose one of {', '.join(issuers(settings))}, or add it to SLIPWAY_IDENTITY_ISSUERS."
            raise InvalidInputError(f"{request.issuer[:100]!r} is no issuer known here.", [FieldError("/issuer", fix)])
        AssetService(self._session).require_claimable(principal, namespace)
        wanted = TrustedPublisher(
            tenant_id=principal.tenant_id,
            namespace=namespace,
            name=name,
            issuer=issuer.url,
            provider=issuer.provider.name,
            created_by=principal.name,
            **request.model_dump(include={"owner_id", "repository_id", "repository", "workflow", "environment"}),
        )
        found = queries.same(self._session, wanted)
        if found is None:
            found = wanted
            self._session.add(found)
            self._session.flush()
            self._tell(
                principal.actor, found, TrustedPublisherAdded.model_validate(_told(found)), "trusted_publisher.add"
            )
        return self._read(found)

    def remove(self, principal: Principal, publisher_id: UUID) -> None:
        """Let these jobs publish no longer; tokens that they hold already run out within minutes."""
        principal.require("assets:admin")
        found = queries.by_id(self._session, principal.tenant_id, publisher_id)
        if found is None:
            raise NotFoundError(f"There is no trusted publisher {publisher_id}.")
        self._tell(
            principal.actor, found, TrustedPublisherRemoved.model_validate(_told(found)), "trusted_publisher.remove"
        )
        self._session.delete(found)

    def all(self, tenant_id: UUID) -> Sequence[TrustedPublisherRead]:
        """Return the tenant's trusted publishers, by asset."""
        return [self._read(each) for each in queries.all_of(self._session, tenant_id)]

    def mint(self, publisher: TrustedPublisher, identity: Identity) -> NewToken:
        """Use an identity up and return a token for the publisher's asset; the session is bound to its tenant.

        Raises ``IdentityRefusedError`` where the identity was used before.
        """
        if not queries.use_up(self._session, identity.issuer, identity.token_id, identity.expires_at):
            raise IdentityRefusedError("The token was used before. Ask for a new one in the job.")
        found = queries.by_id(self._session, publisher.tenant_id, publisher.id)
        if found is None:
            raise _refusal()
        found.last_used_at = now()
        self._session.add(found)
        workload = identity.workload
        token = TenantService(self._session).create_publishing_token(
            found.tenant_id,
            name=" · ".join(each for each in (identity.provider.label, workload.repository, workload.workflow) if each),
            asset=f"{found.namespace}/{found.name}",
            origin={"issuer": identity.issuer, "provider": identity.provider.name, **asdict(workload)},
            life=TOKEN_LIFE,
        )
        job = {"workflow": workload.workflow, "reference": workload.reference, "run": workload.run}
        told = {name: value for name, value in _told(found).items() if name != "issuer"}
        used = TrustedPublisherUsed.model_validate({**told, **job, "token_id": token.id})
        self._tell(f"token:{token.id}", found, used, "trusted_publisher.use")
        return token

    def _read(self, row: TrustedPublisher) -> TrustedPublisherRead:
        exists = AssetService(self._session).owns(row.tenant_id, row.namespace, row.name)
        return TrustedPublisherRead.model_validate({**row.model_dump(), "pending": not exists})

    def _tell(self, actor: str, row: TrustedPublisher, data: EventData, action: str) -> None:
        subject = f"publishers/{row.id}"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=actor)
        detail = data.model_dump(mode="json")
        TenantService(self._session).audit(row.tenant_id, actor, action, subject, detail)


def exchange(database: Database, identity: Identity, asset: str | None) -> PublishingToken:
    """Exchange a verified identity for a token that can publish one asset.

    ``asset`` may be None where the job may publish just one. Raises ``NoTrustedPublisherError`` (which tells nothing
    of what exists), ``InvalidInputError``, or ``IdentityRefusedError`` for an identity that was used before.
    """
    wanted = _asset(asset) if asset is not None else None
    workload = identity.workload
    with database.tenant_session(None) as session:
        found = queries.candidates(session, identity.issuer, workload.owner_id, workload.repository_id)
    letting = [each for each in found if rules.lets(each.publisher, identity.issuer, workload)]
    if wanted is not None:
        letting = [each for each in letting if (each.publisher.namespace, each.publisher.name) == wanted]
    # Who has the namespace comes before those who wait for a free one.
    letting = [each for each in letting if each.owns_namespace] or letting
    if not letting:
        raise _refusal()
    if len({(each.publisher.namespace, each.publisher.name) for each in letting}) > 1:
        fix = "This job may publish several assets. Name the one it wants, as namespace/name."
        raise InvalidInputError(fix, [FieldError("/asset", fix)])
    if len({each.publisher.tenant_id for each in letting}) > 1:
        raise _refusal()
    chosen = rules.narrowest([each.publisher for each in letting])
    with database.tenant_session(chosen.tenant_id) as session:
        token = TrustedPublisherService(session).mint(chosen, identity)
    expires_at = token.expires_at or now()
    return PublishingToken(
        token=token.token,
        tenant=letting[0].tenant_name,
        asset=f"{chosen.namespace}/{chosen.name}",
        expires_at=expires_at,
    )


def _refusal() -> NoTrustedPublisherError:
    return NoTrustedPublisherError(
        "No trusted publisher lets this job publish the asset. Compare the ids, the workflow and the environment of the"
        " job's token with those on the page Trusted publishers."
    )


def _asset(text: str) -> tuple[str, str]:
    reference = parse_reference(text, "/asset")
    if len(reference.constraint):
        raise InvalidReferenceError(
            "Name the asset without a version.", [FieldError("/asset", "Leave out the version.")]
        )
    return reference.namespace, reference.name


def _told(row: TrustedPublisher) -> dict[str, object]:
    return {
        "trusted_publisher_id": row.id,
        "namespace": row.namespace,
        "name": row.name,
        "issuer": row.issuer,
        "repository": row.repository,
    }
