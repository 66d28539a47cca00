"""The pages of operations: one long action with its steps, and the deliveries that gave up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from catalog.operations.models import OperationRead, OperationState
from portal.pages.render import Page


@dataclass(frozen=True)
class OperationPage(Page):
    """One long action; ``log`` holds the last lines it wrote."""

    template: ClassVar[str] = "operations/show.html"
    fragments: ClassVar[Mapping[str, str]] = {"operation-status": "operations/_status.html"}

    operation: OperationRead
    log: Sequence[str] = ()

    @property
    def is_moving(self) -> bool:
        """Tell whether the operation still works."""
        return self.operation.state in {OperationState.PENDING, OperationState.RUNNING}

    @property
    def title(self) -> str:
        """Return the kind of the operation as a sentence, such as ``Environment deploy``."""
        return self.operation.kind.replace(".", " ").replace("_", " ").capitalize()

    @property
    def subject_href(self) -> str:
        """Return the address of what the operation works on, "" where it has no page."""
        area = self.operation.subject.partition("/")[0]
        return f"/{self.operation.subject}" if area in {"environments", "assets"} else ""


class DeadLetter(Protocol):
    """A delivery that gave up, as the page shows it."""

    @property
    def id(self) -> int | None:
        """The delivery."""

    @property
    def event_id(self) -> UUID:
        """The event that was to be delivered."""

    @property
    def event_type(self) -> str:
        """The type of the event."""

    @property
    def job(self) -> str:
        """The job that wanted it."""

    @property
    def subject(self) -> str:
        """What the event is about."""

    @property
    def attempt(self) -> int:
        """How often it was tried."""

    @property
    def last_error(self) -> str | None:
        """Why the last try failed."""

    @property
    def finished_at(self) -> datetime | None:
        """When it gave up."""


@dataclass(frozen=True)
class DeadLettersPage(Page):
    """The tenant's deliveries that gave up and wait for a person."""

    template: ClassVar[str] = "operations/dead_letters.html"

    deliveries: Sequence[DeadLetter]
    may_replay: bool
