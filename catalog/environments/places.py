"""Which target an environment goes to, and who says so: the strongest word of those that may say it; pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic import Field as Shape

from catalog.assets.blueprint_spec import BlueprintSpec
from catalog.assets.offers import needs_of
from catalog.environments.errors import TargetNotOfferedError
from catalog.errors import FieldError, InvalidInputError
from catalog.providers.targets import TargetProvider, offered
from catalog.providers.targets.offers import lacking
from catalog.settings import Settings


class Says(StrEnum):
    """Who may say where an environment goes, the strongest first.

    What is there stays where it is (``environment``). A request and an automation are orders, which hold or are
    refused; a tenant's choice and what the operator sets for it are preferences, which are passed over where they
    cannot be; last comes the order in which the installation offers its targets.
    """

    REQUEST = "request"
    ENVIRONMENT = "environment"
    AUTOMATION = "automation"
    TENANT = "tenant"
    OPERATOR = "operator"
    INSTALLATION = "installation"


_ORDERS = {Says.REQUEST, Says.ENVIRONMENT, Says.AUTOMATION}


@dataclass(frozen=True)
class Wishes:
    """What is said about one environment; the operator's words are in the settings.

    ``runs_at`` is where one runs that is there already.
    """

    request: str | None = None
    runs_at: str | None = None
    automation: str | None = None
    tenant: str | None = None


class Word(BaseModel):
    """What one of them says: a target, or nothing. ``against`` is what keeps it from being followed, "" if nothing."""

    by: Says
    target: str | None
    against: str = ""


class Placement(BaseModel):
    """The target, by whose word (None: there is none that could be), and what each says, the strongest first."""

    target: str | None
    by: Says | None
    words: list[Word]

    def word(self, by: Says) -> Word:
        """Return what one of them says."""
        return next(each for each in self.words if each.by is by)


class ChooseTarget(BaseModel):
    """Where a tenant's new environments shall go; null takes the choice back, so that the operator's word holds."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    target: str | None = Shape(max_length=30, examples=["kubernetes"])

    @field_validator("target", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return None if value == "" else value


class OfferedTarget(BaseModel):
    """A target that a tenant may use: what it has behind services, whether it fills databases, whether visits wake."""

    name: str
    title: str
    servers: list[str]
    seeds: bool
    wakes: bool


class TargetsRead(BaseModel):
    """Where a tenant's environments go: its own choice, where that leads, and what it may choose from.

    ``placement`` is where one goes that nobody names a target for, as far as that does not depend on its blueprint.
    ``problem`` says that what was chosen is not offered any more, "" where it is.
    """

    target: str | None
    problem: str
    chosen_by: str | None
    chosen_at: datetime | None
    placement: Placement
    offered: list[OfferedTarget]


def weigh_targets(settings: Settings, wishes: Wishes, spec: BlueprintSpec | None, tenant: str = "") -> Placement:
    """Return where an environment of ``tenant`` (by name) goes, and what everybody says of it; nothing is refused.

    Without a blueprint's ``spec`` nothing but what is offered is looked at.
    """
    here = offered(settings, tenant)

    def against(name: str) -> str:
        return _against(name, here, spec)

    own = {
        Says.REQUEST: wishes.request,
        Says.ENVIRONMENT: wishes.runs_at,
        Says.AUTOMATION: wishes.automation,
        Says.TENANT: wishes.tenant,
        Says.OPERATOR: settings.tenant_targets.get(tenant),
    }
    words = [_word(by, name, wishes, against) for by, name in own.items()]
    words.append(_installation(here, spec, against))
    decisive = next((each for each in words if each.target and (each.by in _ORDERS or not each.against)), None)
    if decisive is None or (decisive.by in _ORDERS and decisive.against):
        return Placement(target=None, by=None if decisive is None else decisive.by, words=words)
    return Placement(target=decisive.target, by=decisive.by, words=words)


def chosen_target(settings: Settings, wishes: Wishes, spec: BlueprintSpec, tenant: str = "") -> Placement:
    """Return where an environment goes, and what was passed over.

    Raises ``InvalidInputError`` for the field ``target`` where that was ordered and cannot be (an automation's that is
    not offered any more: ``TargetNotOfferedError``), or for the blueprint where nothing offered here fits it.
    """
    found = weigh_targets(settings, wishes, spec, tenant)
    if found.target is not None:
        return found
    if found.by is None:
        raise _refused("/blueprint", found.word(Says.INSTALLATION).against)
    word = found.word(found.by)
    if found.by is Says.AUTOMATION and word.target not in offered(settings, tenant):
        detail = f"What begins here by itself goes to {word.target}. {word.against}"
        raise TargetNotOfferedError(detail, [FieldError("/target", detail)])
    raise _refused("/target", word.against)


def passed_over(placement: Placement, settings: Settings, tenant: str) -> str:
    """Return in words that the tenant's choice is not offered any more where that was passed over, else ""."""
    chosen = placement.word(Says.TENANT)
    weaker = placement.by in {Says.OPERATOR, Says.INSTALLATION}
    if not weaker or chosen.target is None or chosen.target in offered(settings, tenant):
        return ""
    return (
        f"Your tenant chose the target {chosen.target}, which is not offered here any more, so that this environment"
        f" went to {placement.target}. The choice is kept, and holds again once {chosen.target} is offered."
    )


def _word(by: Says, name: str | None, wishes: Wishes, against: Callable[[str], str]) -> Word:
    if name is None or by is Says.ENVIRONMENT:
        return Word(by=by, target=name)
    problem = against(name)
    if not problem and by is Says.REQUEST and wishes.runs_at not in (None, name):
        problem = (
            f"The environment runs at {wishes.runs_at} and cannot move to {name}. Destroy it first, and ask again."
        )
    return Word(by=by, target=name, against=problem)


def _installation(here: dict[str, TargetProvider], spec: BlueprintSpec | None, against: Callable[[str], str]) -> Word:
    fitting = next((name for name in here if not against(name)), None)
    if fitting is not None:
        return Word(by=Says.INSTALLATION, target=fitting)
    allowed = None if spec is None else spec.targets
    lacks = [against(name) for name in here if allowed is None or name in allowed]
    goes = f"The blueprint goes to {_listed(allowed or ())}, and here there is {_listed(here)}."
    return Word(by=Says.INSTALLATION, target=None, against=" ".join(lacks) or goes)


def _against(name: str, here: dict[str, TargetProvider], spec: BlueprintSpec | None) -> str:
    """Return why nothing can go to a target, "" where it can."""
    if name not in here:
        return f"There is no target {name} here; there is {_listed(here)}."
    if spec is None:
        return ""
    if spec.targets is not None and name not in spec.targets:
        return f"The blueprint does not go to {name}, but to {_listed(spec.targets)}."
    return lacking(here[name], needs_of(spec))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _refused(pointer: str, detail: str) -> InvalidInputError:
    return InvalidInputError(detail, [FieldError(pointer, detail)])
