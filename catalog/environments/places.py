"""Which target an environment goes to: what the request says, else where it runs, else the preferred that fits."""

from collections.abc import Iterable

from catalog.assets.blueprint_spec import BlueprintSpec
from catalog.assets.offers import needs_of
from catalog.errors import FieldError, InvalidInputError
from catalog.providers.targets import offered
from catalog.providers.targets.offers import lacking
from catalog.settings import Settings


def chosen_target(
    settings: Settings, asked: str | None, spec: BlueprintSpec, runs_at: str | None, tenant: str = ""
) -> str:
    """Return the name of the target.

    ``runs_at`` is that of an environment that is there already and stays where it is; ``tenant`` may prefer one. Raises
    ``InvalidInputError`` for the field ``target``, or for the blueprint where nothing was asked and none of the targets
    offered here fits it: it goes there, and it offers the servers that the blueprint needs.
    """
    here, allowed = offered(settings, tenant), spec.targets
    going = [name for name in here if allowed is None or name in allowed]
    lacks = {name: lacking(here[name], needs_of(spec)) for name in going}
    fitting = [name for name in going if not lacks[name]]
    if asked is None:
        if runs_at is not None:
            return runs_at
        if going and not fitting:
            raise _refused("/blueprint", " ".join(lacks.values()))
        if not fitting:
            raise _refused(
                "/blueprint", f"The blueprint goes to {_listed(allowed or ())}, and here there is {_listed(here)}."
            )
        return fitting[0]
    if asked not in here:
        raise _refused("/target", f"There is no target {asked} here; there is {_listed(here)}.")
    if lacks.get(asked):
        raise _refused("/target", lacks[asked])
    if asked not in fitting:
        raise _refused("/target", f"The blueprint does not go to {asked}, but to {_listed(allowed or ())}.")
    if runs_at is not None and asked != runs_at:
        raise _refused(
            "/target", f"The environment runs at {runs_at} and cannot move to {asked}. Destroy it first, and ask again."
        )
    return asked


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _refused(pointer: str, detail: str) -> InvalidInputError:
    return InvalidInputError(detail, [FieldError(pointer, detail)])
