"""How installs move, how revisions are chained, and what stands in inputs: pure functions."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from catalog.assets.inputs import HIDDEN
from catalog.forms.pointers import escape
from catalog.installs.files import digest_of
from catalog.installs.models import Action, InstallApprovalRule, InstallState, OutcomeState

SECRET = "$secret"  # noqa: S105  # the name of a field, not a secret
BUSY = frozenset({InstallState.PENDING, InstallState.APPLYING})
SETTLED = frozenset({InstallState.APPLIED, InstallState.DECLINED, InstallState.REMOVED})
STATE_AFTER: Mapping[OutcomeState, InstallState] = {
    OutcomeState.WAITING: InstallState.WAITING,
    OutcomeState.APPLIED: InstallState.APPLIED,
    OutcomeState.FAILED: InstallState.FAILED,
    OutcomeState.DECLINED: InstallState.DECLINED,
}
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def chained(content: Mapping[str, Any], parent: str | None) -> str:
    """Return the digest of a revision's content, which covers the digest of the revision before."""
    return digest_of({"content": content, "parent": parent})


def name_for(asset: str, place: str, taken: Sequence[str]) -> str:
    """Return a name for a new install: what it is of and where, with a number where that is taken."""
    last = place.rstrip("/").rpartition("/")[2]
    parts = [asset.partition("/")[2], _NOT_IN_NAMES.sub("-", last.lower()).strip("-")]
    base = "-".join(part for part in parts if part)[:90].strip("-.")
    numbered = [base, *(f"{base}-{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in numbered if each not in taken)


def secret_reference(secret_id: UUID) -> dict[str, str]:
    """Return what stands in inputs for a secret."""
    return {SECRET: str(secret_id)}


def references(value: Any) -> Iterator[UUID]:
    """Yield the ids of the secrets that inputs name."""
    if isinstance(value, Mapping):
        if set(value) == {SECRET}:
            yield UUID(str(value[SECRET]))
        else:
            for each in value.values():
                yield from references(each)


def places(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield the JSON pointers at which inputs name a secret."""
    if isinstance(value, Mapping):
        if set(value) == {SECRET}:
            yield prefix
        else:
            for name, each in value.items():
                yield from places(each, f"{prefix}/{escape(name)}")


def opened(value: Any, secrets: Mapping[UUID, Any]) -> Any:
    """Return inputs with the values of the secrets that they name."""
    if isinstance(value, Mapping):
        if set(value) == {SECRET}:
            return secrets[UUID(str(value[SECRET]))]
        return {name: opened(each, secrets) for name, each in value.items()}
    return value


def without(values: Mapping[str, Any], pointers: Sequence[str]) -> dict[str, Any]:
    """Return inputs without what stands at some JSON pointers."""

    def kept(value: Any, place: str) -> Any:
        if not isinstance(value, Mapping):
            return value
        inner = {name: (each, f"{place}/{escape(name)}") for name, each in value.items()}
        return {name: kept(each, where) for name, (each, where) in inner.items() if where not in pointers}

    found: dict[str, Any] = kept(values, "")
    return found


def at(values: Mapping[str, Any], pointer: str) -> Any:
    """Return what stands at a JSON pointer of inputs, None where nothing does."""
    value: Any = values
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def put(values: dict[str, Any], pointer: str, value: Any) -> None:
    """Set what stands at a JSON pointer of inputs; its parents must be there."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    inner: Any = values
    for name in parents:
        inner = inner[name]
    inner[last] = value


def shown(value: Any) -> Any:
    """Return inputs as they may be shown: ``[secret]`` in the place of each secret."""
    if isinstance(value, Mapping):
        return HIDDEN if set(value) == {SECRET} else {name: shown(each) for name, each in value.items()}
    return value


def merged_inputs(given: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given before with what changes; null takes an input away (RFC 7396, a JSON merge patch)."""
    result = dict(given)
    for name, value in changes.items():
        before = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(before, Mapping) and set(before) != {SECRET}:
            result[name] = merged_inputs(before, value)
        else:
            result[name] = value
    return result


def demands(rule: InstallApprovalRule, action: Action, asked: Mapping[str, Any], remarks: Iterable[str]) -> bool:
    """Tell whether a plan takes an approval; ``remarks`` are the policy rules that found something."""
    return (
        (not rule.actions or str(action) in rule.actions)
        and (not rule.kinds or asked["kind"] in rule.kinds)
        and (not rule.asset or _is_like(asked["asset"], rule.asset))
        and all(asked["labels"].get(name) == value for name, value in rule.labels.items())
        and (not rule.policy_rule or any(_is_like(each, rule.policy_rule) for each in remarks))
    )


def _is_like(name: str, pattern: str) -> bool:
    # Only * is special: a name may well hold the other characters that a shell would read.
    return fnmatchcase(name, "".join(f"[{char}]" if char in "?[" else char for char in pattern))
