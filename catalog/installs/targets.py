"""Where an install goes, by what it becomes: one shape each, and the one text that two installs may not share."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic import Field as Shape

from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError
from catalog.gating import GatePoint, Level
from catalog.policies.shapes import Scope
from catalog.refusals import sentence

Address = Annotated[
    str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True), AfterValidator(storable)
]
BranchName = Annotated[str, StringConstraints(pattern=r"^[\w./+@][\w./+@-]{0,199}$")]


class Target(BaseModel):
    """The base of every place; ``becomes`` names what is made there, ``scope`` what the caller needs for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    becomes: ClassVar[str]
    scope: ClassVar[str] = "installs:write"

    @property
    def place(self) -> str:
        """Return the place as one text; an asset may be installed once at each."""
        raise TypeError


class PullRequestTarget(Target):
    """A repository that gets a pull request against ``branch`` (its default branch where none is given)."""

    becomes: ClassVar[str] = "pull-request"

    repository: Address = Shape(examples=["/home/ann/hello"])
    branch: BranchName | None = None

    @property
    def place(self) -> str:
        """Return the repository, with the branch where one is named."""
        return self.repository + (f"@{self.branch}" if self.branch else "")


class BindingTarget(Target):
    """What a policy bundle shall count for, how much, and at which gates (all where none is named)."""

    becomes: ClassVar[str] = "policy-binding"
    scope: ClassVar[str] = "policies:write"

    level: Level = Level.MANDATORY
    applies_to: Scope = Shape(default_factory=Scope)
    points: tuple[GatePoint, ...] = ()

    @property
    def place(self) -> str:
        """Return the scope of the binding."""
        return str(self.applies_to)


class EnvironmentTarget(Target):
    """The pull request whose environment is made from a blueprint; ``ttl`` is an ISO 8601 duration."""

    becomes: ClassVar[str] = "environment"
    scope: ClassVar[str] = "environments:write"

    repository: Address
    pull_request: int = Shape(ge=1, le=2_000_000_000)
    branch: BranchName | None = None
    ttl: Annotated[str, StringConstraints(max_length=50)] | None = None

    @property
    def place(self) -> str:
        """Return repository and number."""
        return f"{self.repository}#{self.pull_request}"


class StrategyTarget(Target):
    """The service whose releases move as a blueprint's strategy says."""

    becomes: ClassVar[str] = "strategy"

    service: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]

    @property
    def place(self) -> str:
        """Return the service."""
        return f"service {self.service}"


class PinTarget(Target):
    """The whole tenant: blueprints and programs of it use this version of a component package."""

    becomes: ClassVar[str] = "pin"

    @property
    def place(self) -> str:
        """Return the one place that there is."""
        return "tenant"


class StackTarget(Target):
    """A stack of its own, by its name, made of one component of a package (of the only one where none is named)."""

    becomes: ClassVar[str] = "stack"

    stack: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$")]
    component: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")] | None = None

    @property
    def place(self) -> str:
        """Return the stack's name."""
        return f"stack {self.stack}"


_SORTS = (PullRequestTarget, BindingTarget, EnvironmentTarget, StrategyTarget, PinTarget, StackTarget)
TARGETS: Mapping[str, type[Target]] = {each.becomes: each for each in _SORTS}


def read_target(effects: Sequence[str], given: Mapping[str, Any]) -> Target:
    """Return where an install goes; ``effects`` are what the asset can become, of which ``given`` picks one.

    A blueprint that makes environments and moves releases becomes a strategy where a service is named, a component
    package a stack where a stack is, and a pinned entry otherwise. Raises
    ``InvalidInputError`` naming the fields below ``/target``.
    """
    known = [each for each in effects if each in TARGETS]
    if not known:
        detail = "This version of Slipway does not know how to install such an asset."
        raise InvalidInputError(detail, [FieldError("/asset", detail)])
    named = {"service": "strategy", "stack": "stack", "component": "stack"}
    chosen = next((becomes for name, becomes in named.items() if name in given and becomes in known), known[0])
    try:
        return TARGETS[chosen].model_validate(dict(given))
    except ValidationError as refused:
        errors = [
            FieldError("/".join(["/target", *map(str, each["loc"])]), sentence(each))
            for each in refused.errors(include_url=False)
        ]
        raise InvalidInputError("The target is not complete: see each field.", errors) from None
