"""The upload API that twine and uv publish speak: one wheel in a form, one line of text as the answer."""

import hashlib
import logging
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from litestar import Response, post
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, FromPath
from sqlmodel import Session

from catalog.assets.archive import LIMITS
from catalog.assets.errors import VersionExistsError
from catalog.attestations.pep740 import read_attestations
from catalog.attestations.service import SupplyChainAttestationService
from catalog.distributions.errors import WheelRefusedError
from catalog.errors import SlipwayError
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.models import Publication
from catalog.uploads.wheels import SentWheel, WheelUploads
from portal.api.documentation import problems
from portal.api.v1.uploads import upload_accepted
from portal.auth.guards import PUBLISHING, declared_body, requires
from portal.boundary import AppSettings, AppThreads, Caller, OpenSession, WebRequest
from portal.doors.reading import TAG
from portal.doors.tenancy import check_tenant
from portal.problems import answer_error, describe
from portal.publishing import Publishing

LOG = logging.getLogger("slipway.portal")
BODY = LIMITS.packed + 2 * 1024 * 1024
"""How much the door accepts, in bytes: a wheel, the description among the fields, and what surrounds them."""
TEXT = "text/plain"


def answer_refusal(request: WebRequest, error: Exception) -> Response[Any]:
    """Return what went wrong as text, which is what these clients print; what they match on is in the first line."""
    if isinstance(error, VersionExistsError):
        return _text(400, f"File already exists. {error.detail.removeprefix('File already exists: ')}")
    if isinstance(error, PackageRejectedError):
        return _text(400, "\n".join([error.detail, *(each.detail for each in error.errors)]))
    if isinstance(error, SlipwayError | HTTPException):
        problem = describe(request, error)
        status = 400 if problem.status in {409, 415, 422} else problem.status
        answer = _text(status, problem.detail or problem.title)
        answer.headers.update(answer_error(request, error).headers)
        return answer
    return answer_error(request, error)


def _text(status: int, text: str) -> Response[Any]:
    return Response(f"{text}\n", status_code=status, media_type=TEXT)


@post(
    "/t/{tenant:str}/legacy",
    operation_id="upload_wheel",
    summary="Upload a wheel, as twine and uv publish do",
    tags=[TAG],
    guards=[declared_body, requires("assets:write")],
    opt={"media_type": "multipart/form-data", PUBLISHING: True},
    request_max_body_size=BODY,
    media_type="text/plain",
    status_code=200,
    responses={
        **problems(401, 403, 404, 413),
        202: ResponseSpec(str, media_type="text/plain", description="Its checks go on", generate_examples=False),
        400: ResponseSpec(str, media_type="text/plain", description="Why it was refused", generate_examples=False),
    },
    exception_handlers={Exception: answer_refusal},
)
async def upload_wheel(  # each is a part of the request
    request: WebRequest,
    tenant: FromPath[str],
    data: Annotated[dict[str, Any], Body(media_type="multipart/form-data")],
    session: OpenSession,
    settings: AppSettings,
    threads: AppThreads,
    principal: Caller,
) -> Response[str]:
    """Publish a wheel as a component package; the same file again is accepted, other bytes under its name are not.

    The answer waits for the sandboxed checks; where they take longer than 30 seconds they go on, and 202 says where.
    """
    check_tenant(principal, tenant)
    sent = await threads.run(_sent, data)
    receive = partial(_receive, session, settings, principal, sent)
    publication = await Publishing(session, settings, threads, request.app.state.streams).settle(principal, receive)
    version = publication.version
    if version is None:
        accepted = upload_accepted(publication)
        text = f"{accepted.namespace}/{accepted.name} {accepted.version} is being checked: {accepted.url}\n"
        return Response(text, status_code=202, media_type=TEXT)
    verb = "Published" if publication.created else "There already"
    lines = [f"{verb}: {version.namespace}/{version.name} {version.version}"]
    lines += [f"Note: {each['message']} {each['fix']}" for each in publication.findings]
    return Response("\n".join(lines) + "\n", status_code=200, media_type=TEXT)


def _receive(session: Session, settings: Settings, principal: Principal, sent: SentWheel) -> Publication:
    """Verify the attestations that came with a wheel, which all have to prove something, and take the wheel in."""
    if "attestations" in sent.fields:
        # Who may publish a file may say where it comes from: what is said has to be proved in any case.
        witness = replace(principal, scopes=principal.scopes | {"attestations:write"})
        service = SupplyChainAttestationService(session, settings)
        for bundle in read_attestations(sent.fields["attestations"]):
            service.receive(witness, bundle, about=hashlib.sha256(sent.data).hexdigest())
    return WheelUploads(session, open_blobs(settings)).receive(principal, sent)


def _sent(form: dict[str, Any]) -> SentWheel:
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if fields.get(":action") != "file_upload":
        raise WheelRefusedError("Only file_upload is understood here.", "Use twine upload or uv publish.", "/:action")
    content = form.get("content")
    if not isinstance(content, UploadFile):
        raise WheelRefusedError("The form has no file.", "Send one wheel as the field content.")
    if fields.get("filetype", "bdist_wheel") != "bdist_wheel" or not content.filename.endswith(".whl"):
        raise WheelRefusedError("Only wheels are taken here.", "Upload dist/*.whl and leave the source archive out.")
    data = content.file.read(LIMITS.packed + 1)
    if len(data) > LIMITS.packed:
        raise WheelRefusedError(f"The wheel is larger than {LIMITS.packed} bytes.", "Leave out what is not needed.")
    return SentWheel(content.filename, data, fields)
