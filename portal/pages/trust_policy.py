"""The page of the trust policy: read, tried on something, and changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import yaml
from litestar import Response, get, post
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.attestations.predicates import EVIDENCE
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import Assessment, SetTrustPolicy, TrustPolicyRead, VerifySubject
from catalog.attestations.trust import TrustPolicy
from catalog.errors import FieldError, SlipwayError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect
from portal.pages.signing_keys import errors_of

READ = [requires("attestations:read")]
LONGEST = 64 * 1024
_FIELDS = {"document": "Policy", "subject": "Try it on", "note": "What changes", "version": "Policy"}


@dataclass(frozen=True)
class TrustPolicyPage(Page):
    """The policy that holds, the text that is being written, and what it would mean for something."""

    template: ClassVar[str] = "attestations/trust_policy.html"

    policy: TrustPolicyRead
    versions: Sequence[TrustPolicyRead]
    text: str
    may_change: bool
    subject: str = ""
    note: str = ""
    judged: Assessment | None = None
    errors: Sequence[FieldError] = ()
    evidence: Sequence[str] = EVIDENCE

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(f"{_place(each)}{each.detail}" for each in self.errors if _field(each) == name)

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [
            (_FIELDS[_field(each)], f"field-{_field(each)}", f"{_place(each)}{each.detail}") for each in self.errors
        ]


@get("/attestations/trust-policy", guards=READ, sync_to_thread=True)
def show_trust_policy(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show the policy that holds."""
    return renderer_of(request).respond(request, _page(session, settings, principal))


@post("/attestations/trust-policy", guards=READ, sync_to_thread=True)
def send_trust_policy(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Try the policy that is being written on something, or let it hold."""
    values = last_values(sent_fields(data))
    if values.get("action") == "save":
        principal.require("attestations:admin")
    service = SupplyChainAttestationService(session, settings)
    page = replace(
        _page(session, settings, principal),
        text=values.get("document", "")[:LONGEST],
        subject=values.get("subject", ""),
        note=values.get("note", ""),
    )
    try:
        document = TrustPolicy.model_validate(_read(values.get("document", "")))
        if values.get("action") == "save":
            version = values.get("version", "0")
            asked = SetTrustPolicy(
                version=int(version) if version.isdecimal() else 0, document=document, note=page.note
            )
            service.set_trust_policy(principal, asked)
            return redirect("/attestations/trust-policy", "trust-policy-changed")
        subject = VerifySubject(subject=page.subject, policy=document)
        page = replace(page, judged=service.verify(principal.tenant_id, subject))
    except (ValidationError, SlipwayError) as error:
        session.rollback()
        page = replace(page, errors=_located(error, values))
        return renderer_of(request).respond(request, page, status_code=422)
    return renderer_of(request).respond(request, page)


def _page(session: Session, settings: Settings, principal: Principal) -> TrustPolicyPage:
    service = SupplyChainAttestationService(session, settings)
    policy = service.trust_policy(principal.tenant_id)
    document = policy.document.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    text = yaml.safe_dump(
        {"schema_version": policy.document.schema_version, **document}, sort_keys=False, allow_unicode=True
    )
    versions = service.trust_policy_versions(principal.tenant_id, 20)
    return TrustPolicyPage(policy, versions, text, principal.may("attestations:admin"))


def _read(text: str) -> Any:
    """Return the policy that was written as YAML (JSON is YAML); raise ``PolicyTextError`` where it is neither."""
    if len(text) > LONGEST or "&" in text:
        # An anchor can make a short text a long document.
        raise PolicyTextError("Write at most 64 KiB, without anchors (&).")
    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark is not None else ""
        raise PolicyTextError(f"This is not YAML{place}.") from None


class PolicyTextError(SlipwayError):
    """The text of a policy cannot be read."""

    code = "invalid_input"
    status = 422


def _located(error: ValidationError | SlipwayError, values: Mapping[str, str]) -> list[FieldError]:
    """Return errors of the document below ``/document``, and those of the other fields at theirs."""
    if isinstance(error, ValidationError) and error.title == "TrustPolicy":
        return [FieldError(f"/document{each.pointer}", each.detail) for each in errors_of(error)]
    if isinstance(error, SlipwayError) and not error.errors:
        is_about_subject = values.get("action") != "save" and not isinstance(error, PolicyTextError)
        return [FieldError("/subject" if is_about_subject else "/document", error.detail)]
    return errors_of(error)


def _field(error: FieldError) -> str:
    name = error.pointer.split("/")[1] if "/" in error.pointer else "document"
    return name if name in _FIELDS else "document"


def _place(error: FieldError) -> str:
    path = "/".join(error.pointer.split("/")[2:])
    return f"{path}: " if path else ""


ROUTES = (show_trust_policy, send_trust_policy)
