"""One version's inputs as a tenant narrows them: what may be given, and the reason of each no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.assets.compatibility.inclusion import shown
from catalog.assets.inputs import InvalidInputsError, complete_inputs
from catalog.errors import FieldError
from catalog.forms.pointers import escape
from catalog.forms.validation import field_errors
from catalog.overlays.errors import OverlayConflictError
from catalog.overlays.models import Rule
from catalog.overlays.narrowing import Misfit, hidden_in, narrow, value_at, without


@dataclass(frozen=True)
class Fitted:
    """The inputs of one version for one tenant; ``revision`` is None where the tenant has no overlay on the asset.

    ``original`` is the publisher's schema, ``schema`` the narrowed one. With ``misfits`` nothing can be given at all.
    """

    asset: str
    version: str
    original: Mapping[str, Any]
    schema: Mapping[str, Any]
    revision: int | None = None
    rules: Sequence[Rule] = ()
    misfits: Sequence[Misfit] = ()

    @property
    def form_schema(self) -> Mapping[str, Any]:
        """Return what a form asks for: without what is hidden, and the publisher's own where the overlay misfits."""
        if self.misfits or not self.rules:
            return self.original
        return without(self.schema, self.rules)

    @property
    def deciding_schema(self) -> Mapping[str, Any]:
        """Return what a form is made from: as ``form_schema``, where hidden inputs go on deciding conditions."""
        return self.original if self.misfits or not self.rules else hidden_in(self.schema, self.rules)

    @property
    def problem(self) -> OverlayConflictError | None:
        """Return what to tell whoever wants a version that the overlay does not fit."""
        if not self.misfits:
            return None
        first = self.misfits[0]
        detail = (
            f"Your tenant's overlay on {self.asset} does not fit version {self.version}, so nothing is made of it. "
            f"{first.pointer}: {first.detail} Choose another version, or ask an administrator to change the overlay."
        )
        errors = [FieldError(f"/inputs{each.pointer}", f"{each.detail} {each.fix}") for each in self.misfits]
        return OverlayConflictError(detail, errors)

    def complete(self, values: Mapping[str, Any], pointer: str = "/inputs") -> dict[str, Any]:
        """Return ``values`` with the overlay's and the publisher's defaults; what is fixed or hidden stays as it is.

        Raises ``OverlayConflictError`` where the overlay does not fit the version, and ``InvalidInputsError`` with
        every misfit; what the overlay alone forbids names it and its reason.
        """
        if not self.rules:
            return complete_inputs(self.original, values, pointer)
        problem = self.problem
        if problem is not None:
            raise problem
        locked = [error for rule in self.rules if (error := self._overridden(rule, values, pointer)) is not None]
        places = {each.pointer for each in locked}
        try:
            completed = complete_inputs(self.schema, values, pointer)
        except InvalidInputsError as error:
            rest = [self._explained(each, values, pointer) for each in error.errors if each.pointer not in places]
            raise InvalidInputsError(error.detail, [*locked, *rest]) from None
        if locked:
            raise InvalidInputsError("Some inputs are not valid: see each field.", locked)
        return completed

    def _overridden(self, rule: Rule, values: Mapping[str, Any], pointer: str) -> FieldError | None:
        is_given, value = value_at(values, rule.steps)
        if not rule.is_lock or not is_given:
            return None
        node: Any = self.schema
        for step in rule.steps:
            node = node["properties"][step]
        if "const" in node and not field_errors({"const": node["const"]}, value):
            return None
        what = f"sets this to {shown([node['const']])}" if "const" in node and not rule.hidden else "sets this"
        if node == {"not": {}}:
            what = "leaves this out"
        return FieldError(f"{pointer}{rule.pointer}", f"Your tenant's overlay on {self.asset} {what}: {rule.reason}")

    def _explained(self, error: FieldError, values: Mapping[str, Any], pointer: str) -> FieldError:
        """Return an error with the reason of the rule behind it, where the publisher alone would not have raised it."""
        place = error.pointer.removeprefix(pointer)
        rule = next((each for each in self.rules if _covers(each, place)), None)
        if rule is None:
            return error
        try:
            complete_inputs(self.original, values, pointer)
        except InvalidInputsError as own:
            if error in own.errors:
                return error
        text = f"{error.detail} Your tenant's overlay on {self.asset} says so: {rule.reason}"
        return FieldError(error.pointer, text)


def fit(asset: str, version: str, schema: Mapping[str, Any], rules: Sequence[Rule], revision: int | None) -> Fitted:
    """Lay an overlay's rules over one version."""
    if not rules:
        return Fitted(asset, version, schema, schema)
    narrowed = narrow(schema, rules)
    return Fitted(asset, version, schema, narrowed.schema, revision, tuple(rules), narrowed.misfits)


def _covers(rule: Rule, place: str) -> bool:
    """Tell whether a rule is about a place, or about what lies around it; an index stands for each entry."""
    wanted = [escape(step) for step in rule.steps]
    steps = place[1:].split("/")[: len(wanted)]
    same = (want in ("*", step) and (want != "*" or step.isdigit()) for want, step in zip(wanted, steps, strict=False))
    return len(steps) == len(wanted) and all(same)
