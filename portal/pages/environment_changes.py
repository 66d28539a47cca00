"""Forms about an environment that is there already: which of its secrets stay though nobody sees them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.environments.models import Environment
from catalog.environments.service import EphemeralEnvironmentService
from catalog.environments.withholding import secret_paths, unmarked, without
from catalog.errors import FieldError, NotFoundError
from catalog.forms.pointers import pointer_to
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.pages.chosen_blueprint import Chosen
from portal.pages.schema_controls import Control
from portal.pages.schema_drafts import Draft, every


def changed_environment(
    session: Session, settings: Settings, principal: Principal, values: Mapping[str, str]
) -> Environment | None:
    """Return the environment that a form says it changes (``from``), None where there is none of that id."""
    try:
        wanted = UUID(values.get("from", ""))
        return EphemeralEnvironmentService(session, settings).get(principal.tenant_id, wanted)
    except (ValueError, NotFoundError):
        return None


def is_about(environment: Environment, values: Mapping[str, str], blueprint: str) -> bool:
    """Tell whether a form asks for this environment, made of the same blueprint, and not for another one."""
    asked = (values.get("repository", "").strip(), values.get("pull_request", "").strip(), blueprint)
    return asked == (environment.repository, str(environment.pull_request), environment.blueprint)


def shown_inputs(environment: Environment, chosen: Chosen, *, stays: bool) -> dict[str, Any]:
    """Return what a form shows of an environment's inputs, with marks for the secrets where they stay."""
    if not stays:
        return without(environment.inputs, environment.inputs)
    return unmarked(chosen.version.input_schema or {}, environment.inputs)


def left_behind(environment: Environment, form: Control, draft: Draft) -> list[FieldError]:
    """Return what to say of secrets that a form left empty because an environment has them, which it asks for no more.

    Its code would be another pull request's, so that they are given to it by nobody's silence.
    """
    stored = {f"/{form.name}{pointer_to(path)}" for path in secret_paths(environment.inputs)}
    detail = f"This stays with pull request {environment.pull_request}: give it here too, or leave it empty."
    return [
        FieldError(each.pointer, detail)
        for each in every(form)
        if each.is_secret and not each.is_kept and each.pointer in stored and each.name not in draft.forgotten
    ]
