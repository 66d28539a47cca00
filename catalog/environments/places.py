"""Which target an environment goes to: what the request says, else where it runs, else the first that fits."""

from collections.abc import Sequence

from catalog.errors import FieldError, InvalidInputError
from catalog.providers.targets import offered
from catalog.settings import Settings


def chosen_target(settings: Settings, asked: str | None, allowed: Sequence[str] | None, runs_at: str | None) -> str:
    """Return the name of the target.

    ``allowed`` are the targets that the blueprint goes to (None: each), ``runs_at`` that of an environment that is
    there already and stays where it is. Raises ``InvalidInputError`` for the field ``target``, or for the blueprint
    where nothing was asked and none of the targets offered here fits it.
    """
    here = list(offered(settings))
    fitting = [name for name in here if allowed is None or name in allowed]
    if asked is None:
        if runs_at is not None:
            return runs_at
        if not fitting:
            raise _refused(
                "/blueprint", f"The blueprint goes to {_listed(allowed or ())}, and here there is {_listed(here)}."
            )
        return fitting[0]
    if asked not in here:
        raise _refused("/target", f"There is no target {asked} here; there is {_listed(here)}.")
    if asked not in fitting:
        raise _refused("/target", f"The blueprint does not go to {asked}, but to {_listed(allowed or ())}.")
    if runs_at is not None and asked != runs_at:
        raise _refused(
            "/target", f"The environment runs at {runs_at} and cannot move to {asked}. Destroy it first, and ask again."
        )
    return asked


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _refused(pointer: str, detail: str) -> InvalidInputError:
    return InvalidInputError(detail, [FieldError(pointer, detail)])
