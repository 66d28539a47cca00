"""Sample pages of environments: what begins by itself, who waits, and what runs without secrets."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from catalog.environments.models import Attempt, AutomationRead
from catalog.errors import FieldError
from portal.pages.environment_automations import AutomationsPage
from portal.pages.render import Page

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on" * 2


def automation(number: int, repository: str, labels: list[str], attempts: list[Attempt]) -> AutomationRead:
    return AutomationRead(
        id=UUID(int=number),
        repository=repository,
        blueprint="slipway/preview-web>=1",
        inputs={},
        labels=labels,
        ttl=None,
        attempts=attempts,
        created_by="Ann",
        created_at=NOW - timedelta(days=2),
    )


def pages() -> dict[str, Page]:
    problem = "It takes 4096 MB of memory, and 512 of 2048 MB of memory are free. That will never be enough."
    attempts = [
        Attempt(pull_request=7, head_sha="3f9a1c7e" * 5),
        Attempt(pull_request=12, head_sha="1b3c0f6e" * 5, problem=problem),
    ]
    errors = (FieldError("/repository", "There is no git repository at /home/ada/helo."),)
    some = [automation(1, "/srv/hello", ["preview"], attempts), automation(2, "/srv/" + LONG, [], [])]
    return {
        "environment-automations": AutomationsPage(some, may_change=True),
        "environment-automations-empty": AutomationsPage([], may_change=True),
        "environment-automations-read": AutomationsPage(some, may_change=False),
        "environment-automations-wrong": AutomationsPage(
            [], may_change=True, values={"repository": "/home/ada/helo", "label": "preview"}, errors=errors
        ),
    }
