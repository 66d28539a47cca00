"""The pages of keys: those that a tenant vouches for, one of them, and what its revocation means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import quote
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import BaseModel, ValidationError
from sqlmodel import Session

from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import (
    AffectedRead,
    IdentityRead,
    ImportedKey,
    KeyRead,
    NewIdentity,
    NewSigningKey,
    RevocationReport,
    RevokeIdentity,
    RevokeKey,
)
from catalog.errors import FieldError, SlipwayError
from catalog.providers.signers import KeyAlgorithm, signer_names
from catalog.refusals import sentence
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("attestations:read")]
ADMIN = [requires("attestations:admin")]
ALGORITHMS = tuple((each.value, each.value.upper().replace("ECDSA-P", "ECDSA P-")) for each in KeyAlgorithm)
SIGNERS = {"local": "A key file", "pkcs11": "A PKCS #11 token", "aws-kms": "AWS Key Management Service"}
# Names of fields must differ on a page with three forms, and say the same thing to the service.
_FIELDS = {"import": {"name": "import_name"}, "identity": {"name": "identity_name"}}


@dataclass(frozen=True)
class KeysPage(Page):
    """The tenant's keys and identities; ``form`` is the one of the forms that has to be mended."""

    template: ClassVar[str] = "attestations/keys.html"

    keys: Sequence[KeyRead]
    identities: Sequence[IdentityRead]
    may_change: bool
    form: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    algorithms: Sequence[tuple[str, str]] = ALGORITHMS
    usual: str = "local"

    @property
    def signers(self) -> list[tuple[str, str]]:
        """Return the choices of where a new key is made and stays; the first is what the installation has chosen."""
        named = [(name, SIGNERS.get(name, name)) for name in signer_names()]
        return [("", f"As the installation has it: {self.held_by(self.usual)}"), *named]

    def held_by(self, provider: str) -> str:
        """Return where a key is, in words."""
        return held_by(provider)

    def value(self, form: str, name: str) -> str:
        """Return what was sent in a field of the form that has to be mended, "" in any other."""
        return self.values.get(name, "") if form == self.form else ""

    def error(self, form: str, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        found = [each.detail for each in self.errors if each.pointer == f"/{name}"]
        return " ".join(found) if form == self.form else ""

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        found = []
        for each in self.errors:
            name = each.pointer.removeprefix("/")
            own = _FIELDS.get(self.form, {}).get(name, name).replace("_", "-")
            own += self.form.removeprefix("revoke") if self.form.startswith("revoke-") else ""
            found.append((name.replace("_", " ").capitalize(), f"field-{own}" if name else "", each.detail))
        return found


@dataclass(frozen=True)
class KeyPage(Page):
    """One key, with what its revocation has meant."""

    template: ClassVar[str] = "attestations/key.html"

    report: RevocationReport
    may_change: bool
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        # What is about the form as a whole stands at its first field.
        pointers = {f"/{name}", *([""] if name == "reason" else [])}
        return " ".join(each.detail for each in self.errors if each.pointer in pointers)

    @property
    def holder(self) -> str:
        """Return who holds the key, in words."""
        provider = self.report.key.provider
        return held_by(provider) if provider else "somebody else"

    def href(self, affected: AffectedRead) -> str:
        """Return the address of something that relied on the key, "" where it has no page."""
        if affected.kind == "asset":
            name, _, version = affected.label.partition("@")
            return f"/assets/{name}?version={quote(version)}&tab=security"
        areas = {"environment": "environments", "release": "releases", "rollout": "rollouts"}
        return f"/{areas[affected.kind]}/{affected.id}" if affected.kind in areas else ""


@get("/attestations/keys", guards=READ, sync_to_thread=True)
def show_keys(request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller) -> Response[str]:
    """Show the tenant's keys and identities."""
    return renderer_of(request).respond(request, _keys(session, settings, principal))


@post("/attestations/keys", guards=ADMIN, sync_to_thread=True)
def create_key(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Make the key that Slipway signs with from now on."""
    values = last_values(sent_fields(data))
    try:
        wanted = NewSigningKey.model_validate(_given(NewSigningKey, values))
        SupplyChainAttestationService(session, settings).create_key(principal, wanted)
    except (ValidationError, SlipwayError) as error:
        return _refused(request, session, settings, principal, ("create", values, error))
    return redirect("/attestations/keys", "key-made")


@post("/attestations/keys/import", guards=ADMIN, sync_to_thread=True)
def import_key(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Vouch for the public key of somebody else's signer."""
    values = last_values(sent_fields(data))
    try:
        named = {**values, "name": values.get("import_name", "")}
        wanted = ImportedKey.model_validate(_given(ImportedKey, named))
        SupplyChainAttestationService(session, settings).import_key(principal, wanted)
    except (ValidationError, SlipwayError) as error:
        return _refused(request, session, settings, principal, ("import", values, error))
    return redirect("/attestations/keys", "key-imported")


@post("/attestations/identities", guards=ADMIN, sync_to_thread=True)
def add_identity(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Vouch for the keyless signatures of a workflow or person."""
    values = last_values(sent_fields(data))
    try:
        named = {**values, "name": values.get("identity_name", "")}
        wanted = NewIdentity.model_validate(_given(NewIdentity, named))
        SupplyChainAttestationService(session, settings).add_identity(principal, wanted)
    except (ValidationError, SlipwayError) as error:
        return _refused(request, session, settings, principal, ("identity", values, error))
    return redirect("/attestations/keys", "identity-added")


@post("/attestations/identities/{identity_id:uuid}/remove", guards=ADMIN, sync_to_thread=True)
def remove_identity(
    identity_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Take nothing more from an identity."""
    SupplyChainAttestationService(session, settings).remove_identity(principal, identity_id)
    return redirect("/attestations/keys", "identity-removed")


@post("/attestations/identities/{identity_id:uuid}/revoke", guards=ADMIN, sync_to_thread=True)
def revoke_identity(
    request: WebRequest,
    identity_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Take back what an identity signed, and take nothing more from it."""
    values = last_values(sent_fields(data))
    service = SupplyChainAttestationService(session, settings)
    service.get_identity(principal.tenant_id, identity_id)  # what is not there has no form to be mended
    try:
        asked = {"reason": values.get(f"reason/{identity_id}", ""), "since": values.get(f"since/{identity_id}") or None}
        wanted = RevokeIdentity.model_validate(asked)
        service.revoke_identity(principal, identity_id, wanted)
    except (ValidationError, SlipwayError) as error:
        return _refused(request, session, settings, principal, (f"revoke-{identity_id}", values, error))
    return redirect("/attestations/keys", "identity-revoked")


@get("/attestations/keys/{key_id:uuid}", guards=READ, sync_to_thread=True)
def show_key(
    request: WebRequest, key_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one key."""
    report = SupplyChainAttestationService(session, settings).revocation(principal.tenant_id, key_id)
    return renderer_of(request).respond(request, KeyPage(report, principal.may("attestations:admin")))


@post("/attestations/keys/{key_id:uuid}/revoke", guards=ADMIN, sync_to_thread=True)
def revoke_key(
    request: WebRequest,
    key_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Stop trusting a key."""
    values = last_values(sent_fields(data))
    service = SupplyChainAttestationService(session, settings)
    try:
        wanted = RevokeKey.model_validate({"reason": values.get("reason", ""), "since": values.get("since") or None})
        service.revoke_key(principal, key_id, wanted)
    except (ValidationError, SlipwayError) as error:
        session.rollback()
        report = service.revocation(principal.tenant_id, key_id)
        page = KeyPage(report, may_change=True, values=values, errors=errors_of(error))
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect(f"/attestations/keys/{key_id}", "key-revoked")


def held_by(provider: str) -> str:
    """Return where a signer keeps its keys, in words that may stand inside a sentence."""
    name = SIGNERS.get(provider, provider)
    return name if name.startswith("AWS") else f"{name[:1].lower()}{name[1:]}"


def errors_of(error: ValidationError | SlipwayError) -> list[FieldError]:
    """Return what is wrong with a form, by field; a conflict is about the form as a whole."""
    if isinstance(error, SlipwayError):
        return list(error.errors) or [FieldError("", error.detail)]
    return [FieldError("/" + "/".join(map(str, each["loc"])), sentence(each)) for each in error.errors()]


def _given(model: type[BaseModel], values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in model.model_fields if values.get(name)}


def _keys(session: Session, settings: Settings, principal: Principal) -> KeysPage:
    service = SupplyChainAttestationService(session, settings)
    return KeysPage(
        service.keys(principal.tenant_id),
        service.identities(principal.tenant_id),
        principal.may("attestations:admin"),
        usual=settings.signer,
    )


def _refused(
    request: WebRequest,
    session: Session,
    settings: Settings,
    principal: Principal,
    sent: tuple[str, Mapping[str, str], ValidationError | SlipwayError],
) -> Response[str]:
    session.rollback()
    form, values, error = sent
    kept = _keys(session, settings, principal)
    page = replace(kept, form=form, values=values, errors=errors_of(error))
    return renderer_of(request).respond(request, page, status_code=422)


ROUTES = (show_keys, create_key, import_key, add_identity, remove_identity, revoke_identity, show_key, revoke_key)
