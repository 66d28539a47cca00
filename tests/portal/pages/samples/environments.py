"""Sample pages of environments: what begins by itself, who waits, and what runs without secrets."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from catalog.assets.models import AssetRead, Visibility
from catalog.environments.automations import Attempt, AutomationRead
from catalog.environments.places import OfferedTarget, Placement, Says, TargetsRead, Word
from catalog.errors import FieldError
from catalog.tenants.models import SecretRead
from portal.pages.automation_form import AutomationFormPage
from portal.pages.environment_automations import AutomationsPage
from portal.pages.environment_targets import TargetsPage
from portal.pages.render import Page
from portal.pages.reviewed_inputs import InputReview
from portal.pages.schema_form import FormSource, build_form
from portal.pages.secrets import SecretsPage

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
GONE = "The target kubernetes is not offered to your tenant any more. New environments go to aws meanwhile."
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on" * 2


def automation(number: int, repository: str, labels: list[str], attempts: list[Attempt]) -> AutomationRead:
    return AutomationRead(
        id=UUID(int=number),
        repository=repository,
        blueprint="slipway/preview-web>=1",
        inputs={"greeting": "Ahoy", "replicas": 2, "token": "[secret]"} if labels else {},
        labels=labels,
        ttl="P1D" if labels else None,
        target="kubernetes" if labels else None,
        attempts=attempts,
        created_by="Ann",
        created_at=NOW - timedelta(days=2),
    )


SCHEMA = {
    "type": "object",
    "required": ["greeting"],
    "properties": {
        "greeting": {"type": "string", "title": "Greeting", "description": "What the page says.", "default": "Hello"},
        "replicas": {"type": "integer", "title": "Replicas", "minimum": 1, "maximum": 5},
        "token": {"type": "string", "title": "Token", "writeOnly": True},
    },
}


def blueprint() -> AssetRead:
    return AssetRead(
        namespace="slipway",
        name="preview-web",
        kind="deployment-blueprint",
        visibility=Visibility.PUBLIC,
        license="Apache-2.0",
        keywords=["preview"],
        archetypes=["ui"],
        updated_at=NOW,
        owned=False,
        display_name="Preview of a web application",
        summary="Runs the web process of a repository's Procfile for each pull request",
        latest_version="1.2.0",
    )


def form(errors: Sequence[FieldError] = ()) -> AutomationFormPage:
    return AutomationFormPage(
        blueprint(), [], build_form(SCHEMA, FormSource(errors=errors)), values={"labels": "preview"}, errors=errors
    )


def some_secrets() -> list[SecretRead]:
    ago = NOW - timedelta(days=3)
    return [
        SecretRead(name="PAYMENT_TOKEN", blueprints=["slipway/preview-*"], set_by="Ann", set_at=ago),
        SecretRead(
            name="A_VERY_LONG_NAME_OF_A_SECRET_THAT_NOBODY_SHORTENED_IN_TIME", blueprints=[], set_by="Bo", set_at=ago
        ),
    ]


def where(chosen: str | None, goes: str | None, problem: str = "") -> TargetsRead:
    """Return where environments go: the tenant's choice leads there, or is passed over."""
    offered = [
        OfferedTarget(
            name="local", title="This machine", servers=["objects", "postgres", "redis"], seeds=True, wakes=True
        ),
        OfferedTarget(name="aws", title="AWS Fargate", servers=["postgres"], seeds=False, wakes=False),
    ]
    against = f"There is no target {chosen} here; there is local, aws." if problem else ""
    says = {Says.TENANT: chosen, Says.OPERATOR: "aws", Says.INSTALLATION: "local"}
    words = [Word(by=each, target=says.get(each), against=against if each is Says.TENANT else "") for each in Says]
    by = None if goes is None else Says.TENANT if goes == chosen else Says.OPERATOR
    return TargetsRead(
        target=chosen,
        problem=problem,
        chosen_by="Ann " + LONG if problem else "Ann",
        chosen_at=NOW - timedelta(days=2) if chosen else None,
        placement=Placement(target=goes, by=by, words=words),
        offered=offered if goes else [],
    )


def pages() -> dict[str, Page]:
    problem = "It takes 4096 MB of memory, and 512 of 2048 MB of memory are free. That will never be enough."
    attempts = [
        Attempt(pull_request=7, head_sha="3f9a1c7e" * 5),
        Attempt(pull_request=12, head_sha="1b3c0f6e" * 5, problem=problem),
    ]
    errors = (FieldError("/repository", "There is no git repository at /home/ada/helo."),)
    uses = {"PAYMENT_TOKEN": [(UUID(int=each), f"hello-slipway-pr-{each}") for each in range(1, 6)]}
    some = [automation(1, "/srv/hello", ["preview"], attempts), automation(2, "/srv/" + LONG, [], [])]
    return {
        "environment-automations": AutomationsPage(
            some, may_change=True, reviews={some[0].blueprint: InputReview(SCHEMA, {"replicas": {"review": "mask"}})}
        ),
        "environment-automations-empty": AutomationsPage([], may_change=True),
        "environment-automations-read": AutomationsPage(some, may_change=False),
        "environment-automation-choice": AutomationFormPage(None, [blueprint()], build_form({}, FormSource())),
        "environment-automation-new": form(),
        "environment-automation-wrong": replace(form(errors), values={"repository": "/home/ada/helo"}, replaces=True),
        "environment-target": TargetsPage(where("local", "local"), may_choose=True, wanted="local"),
        "environment-target-gone": TargetsPage(where("kubernetes", "aws", GONE), may_choose=True, wanted="kubernetes"),
        "environment-target-read": TargetsPage(where(None, "aws"), may_choose=False),
        "environment-target-none": TargetsPage(where(None, None), may_choose=False),
        "environment-target-wrong": TargetsPage(
            where(None, "aws"),
            may_choose=True,
            wanted="moon",
            errors=(FieldError("/target", "There is no target moon here; there is local, aws."),),
        ),
        "secrets": SecretsPage(some_secrets(), uses, may_change=True),
        "secrets-replace": SecretsPage(
            some_secrets(), uses, may_change=True, values={"name": "PAYMENT_TOKEN", "blueprints": "slipway/preview-*"}
        ),
        "secrets-read": SecretsPage(some_secrets(), uses, may_change=False),
        "secrets-wrong": SecretsPage(
            [],
            {},
            may_change=True,
            values={"name": "1st"},
            errors=(FieldError("/name", "A name has at most 63 letters, digits and underscores."),),
        ),
    }
