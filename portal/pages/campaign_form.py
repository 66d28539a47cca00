"""The form of campaigns: which installs, in which waves, and what that would come to before anything is kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from litestar import Response, get, post
from litestar.response import Redirect

from catalog.campaigns.service import CampaignService
from catalog.campaigns.shapes import AskCampaign, CampaignPreview
from catalog.campaigns.written import read_wave, read_window
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError
from catalog.installs.service import InstallService
from catalog.installs.shapes import InstallFilter
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.policies import FormPage, read_body
from portal.pages.render import redirect

WRITE = [requires("campaigns:write")]
MOST_INSTALLS = 500
LABELS = {
    "name": "Name",
    "asset": "Asset",
    "version": "Version",
    "labels": "Labels",
    "owner": "Owner",
    "service": "Service",
    "environment": "Environment",
    "from_version": "Version now",
    "waves": "Waves",
    "windows": "Windows",
    "soak": "Watched for",
    "stop_share": "May fail",
    "patience": "Patience",
    "analysis": "Metrics",
}
SELECTING = ("owner", "service", "environment", "from_version")
BEGINNING = {"waves": "1\n10%:5\n100%:20", "soak": "PT1H", "stop_share": "0", "patience": "P7D", "roll_back": "true"}
SPANS = (
    *(("PT0S", "Not at all"), ("PT15M", "15 minutes"), ("PT1H", "An hour"), ("PT4H", "4 hours"), ("P1D", "A day")),
    *(("P3D", "3 days"), ("P7D", "A week"), ("P30D", "30 days")),
)


@dataclass(frozen=True)
class NewCampaignPage(FormPage):
    """The form, and where it was asked for what it would come to."""

    template: ClassVar[str] = "campaigns/new.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    assets: Sequence[tuple[str, str]]
    preview: CampaignPreview | None = None

    soaks: ClassVar[Sequence[tuple[str, str]]] = SPANS
    patiences: ClassVar[Sequence[tuple[str, str]]] = SPANS[2:]

    @staticmethod
    def field_of(error: FieldError) -> str:
        """Return the name of the field that an error is about; what selects installs stands one level deeper."""
        first, _, rest = error.pointer.removeprefix("/").partition("/")
        return rest.partition("/")[0] if first == "selector" else first


@get("/campaigns/new", guards=WRITE, sync_to_thread=True)
def show_new_campaign(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, asset: Text = None
) -> Response[str]:
    """Show the form; ``asset`` chooses what is upgraded."""
    values = {**BEGINNING, "asset": asset or ""}
    page = NewCampaignPage(_assets(session, settings, principal), values=values)
    return renderer_of(request).respond(request, page)


@post("/campaigns", guards=WRITE, sync_to_thread=True)
def create_campaign(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Show what the campaign would come to, or ask for it and go to its page; what is wrong is shown in the form."""
    values = last_values(sent_fields(data))
    asked, errors = _asked(values)
    preview, status = None, 422
    if isinstance(asked, AskCampaign):
        service = CampaignService(session, settings)
        try:
            if values.get("action") == "create":
                return redirect(f"/campaigns/{service.create(principal, asked).id}", "campaign-created")
            preview, status = service.preview(principal, asked), 200
        except (InvalidInputError, ConflictError, NotFoundError) as error:
            session.rollback()
            errors, status = error.errors or (FieldError("/asset", error.detail),), error.status
    page = NewCampaignPage(_assets(session, settings, principal), preview, values=values, errors=errors)
    return renderer_of(request).respond(request, page, status_code=status)


def _assets(session: OpenSession, settings: AppSettings, principal: Caller) -> list[tuple[str, str]]:
    """Return the assets of which something is installed, as options; what has a newer version comes first."""
    found = InstallService(session, settings).page(principal.tenant_id, InstallFilter(), limit=MOST_INSTALLS).items
    counted: dict[str, int] = {}
    behind: dict[str, int] = {}
    for each in found:
        counted[each.asset] = counted.get(each.asset, 0) + 1
        behind[each.asset] = behind.get(each.asset, 0) + bool(each.standing and each.standing.outdated)
    order = sorted(counted, key=lambda asset: (-behind[asset], asset))
    said = [(each, f"{each} ({behind[each]} of {counted[each]} outdated)") for each in order]
    return [("", "Choose an asset"), *said]


def _asked(values: Mapping[str, str]) -> tuple[object | None, Sequence[FieldError]]:
    wrong: list[FieldError] = []
    body: dict[str, Any] = {name: values.get(name, "").strip() for name in ("asset", "version")}
    body["name"] = values.get("name", "").strip() or f"{body['asset']} to {body['version'] or 'the newest'}"[:100]
    body |= {name: values.get(name) or BEGINNING[name] for name in ("soak", "patience")}
    body["roll_back"] = values.get("roll_back") == "true"
    selector: dict[str, Any] = {name: values.get(name, "").strip() for name in SELECTING}
    pairs = [part.partition("=") for part in values.get("labels", "").replace("\n", ",").split(",") if part.strip()]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        wrong.append(FieldError("/labels", "Write labels as NAME=VALUE, separated by commas."))
    selector["labels"] = {name.strip(): value.strip() for name, _, value in pairs}
    body["selector"] = selector
    for field, read in (("waves", read_wave), ("windows", read_window)):
        lines = [line for line in values.get(field, "").splitlines() if line.strip()]
        try:
            body[field] = [read(line) for line in lines]
        except ValueError as error:
            wrong.append(FieldError(f"/{field}", str(error)))
    try:
        body["stop_share"] = float(values.get("stop_share") or 0) / 100
        body["analysis"] = json.loads(values["analysis"]) if values.get("analysis", "").strip() else None
    except json.JSONDecodeError as error:
        wrong.append(FieldError("/analysis", f"This is not JSON: {error.msg} in line {error.lineno}."))
    except ValueError:
        wrong.append(FieldError("/stop_share", "Write a number from 0 to 100."))
    if wrong:
        return None, wrong
    return read_body(AskCampaign, body)


ROUTES = (show_new_campaign, create_campaign)
