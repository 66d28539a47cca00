"""The pages of environments: list, request, one environment with its progress, and the confirmation to destroy it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from catalog.environments.models import EnvironmentRead, Phase
from catalog.errors import FieldError
from catalog.operations.models import OperationRead
from portal.pages.presentation import PHASES
from portal.pages.render import Page
from portal.pages.schema_form import Control, element_id

MOVING = frozenset(phase for phase in Phase if PHASES[phase].is_moving)
LIVING = frozenset(Phase) - {Phase.DESTROYED}
FILTERS: dict[str, tuple[str, frozenset[Phase]]] = {
    "living": ("Living", LIVING),
    "ready": ("Ready", frozenset({Phase.READY})),
    "moving": ("In progress", MOVING),
    "failed": ("Failed", frozenset({Phase.FAILED, Phase.DESTROY_FAILED})),
    "destroyed": ("Destroyed", frozenset({Phase.DESTROYED})),
    "all": ("All", frozenset(Phase)),
}
EXTENSIONS = (("PT4H", "4 hours"), ("P1D", "1 day"), ("P3D", "3 days"), ("P7D", "7 days"))
LIFETIMES = (("", "As the blueprint says"), ("PT4H", "4 hours"), *EXTENSIONS[1:])


@dataclass(frozen=True)
class EnvironmentListPage(Page):
    """The tenant's environments in one group of phases; ``filter`` is a key of ``FILTERS``."""

    template: ClassVar[str] = "environments/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"environment-list": "environments/_list.html"}

    environments: Sequence[EnvironmentRead]
    counts: Mapping[Phase, int]
    filter: str
    can_request: bool
    previous_href: str = ""
    next_href: str = ""

    @property
    def has_any(self) -> bool:
        """Tell whether the tenant has ever had an environment."""
        return any(self.counts.values())

    @property
    def tabs(self) -> list[tuple[str, str, str, int]]:
        """Return key, name, address and count of each filter."""
        return [
            (key, name, f"/environments?state={key}", sum(self.counts.get(phase, 0) for phase in phases))
            for key, (name, phases) in FILTERS.items()
        ]


@dataclass(frozen=True)
class EnvironmentPage(Page):
    """One environment with the operation that works on it and the end of its application's log."""

    template: ClassVar[str] = "environments/show.html"
    fragments: ClassVar[Mapping[str, str]] = {
        "environment-status": "environments/_status.html",
        "environment-results": "environments/_results.html",
        "environment-facts": "environments/_facts.html",
        "environment-log": "environments/_log.html",
    }

    environment: EnvironmentRead
    operation: OperationRead | None
    log: Sequence[str]
    can_change: bool
    extensions: Sequence[tuple[str, str]] = EXTENSIONS

    @property
    def is_moving(self) -> bool:
        """Tell whether the phase changes by itself."""
        return self.environment.phase in MOVING

    @property
    def is_gone(self) -> bool:
        """Tell whether nothing of the environment is left or will be."""
        return self.environment.phase is Phase.DESTROYED

    @property
    def is_serving(self) -> bool:
        """Tell whether an application should answer at the environment's address now."""
        phases = {Phase.READY, Phase.UPDATING, Phase.FAILED, Phase.UNKNOWN}
        return self.environment.url is not None and (
            self.environment.phase is Phase.READY
            or (self.environment.phase in phases and self.environment.deployed_sha is not None)
        )


@dataclass(frozen=True)
class DestroyEnvironmentPage(Page):
    """The question that stands before an environment is destroyed."""

    template: ClassVar[str] = "environments/destroy.html"

    environment: EnvironmentRead


class BlueprintChoice(Protocol):
    """What the form needs to know of a blueprint."""

    @property
    def namespace(self) -> str:
        """The publisher's namespace."""

    @property
    def name(self) -> str:
        """The name in the namespace."""

    @property
    def display_name(self) -> str:
        """The name for people."""

    @property
    def summary(self) -> str:
        """What it is for."""

    @property
    def version(self) -> str:
        """The version that would be taken."""


FIELD_LABELS = {
    "repository": "Repository",
    "pull_request": "Pull request",
    "branch": "Branch",
    "blueprint": "Blueprint",
    "head_sha": "Commit",
    "version": "Version of the blueprint",
    "ttl": "Destroy it after",
}


@dataclass(frozen=True)
class RequestEnvironmentPage(Page):
    """The form that asks for an environment: first the choice of a blueprint, then its inputs."""

    template: ClassVar[str] = "environments/new.html"

    blueprint: BlueprintChoice | None
    blueprints: Sequence[BlueprintChoice]
    form: Control
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    repositories: Sequence[str] = ()
    versions: Sequence[tuple[str, str]] = (("", "Newest"),)
    lifetimes: Sequence[tuple[str, str]] = LIFETIMES
    problem: str = ""
    carried_query: str = ""

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer == f"/{name}")

    @property
    def has_advanced(self) -> bool:
        """Tell whether the fields that are folded away hold something that should be seen."""
        return any(self.value(name) or self.error(name) for name in ("head_sha", "version", "ttl"))

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [(*self._place(each.pointer), each.detail) for each in self.errors]

    def _place(self, pointer: str) -> tuple[str, str]:
        name = pointer.removeprefix("/")
        if name in FIELD_LABELS:
            return FIELD_LABELS[name], "" if name == "blueprint" else element_id(name)
        labels = self.form.labels()
        # An error inside an array or a mapping belongs to the control that holds all of it.
        while name and f"/{name}" not in labels:
            name = name.rpartition("/")[0]
        label, target = labels.get(f"/{name}", ("", "")) if name else ("", "")
        return (label or "Inputs", target) if name != "inputs" else ("Inputs", "")
