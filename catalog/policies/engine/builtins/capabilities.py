"""The capabilities of release policies, for ``opa check`` and ``opa build``: OPA's own without what is refused."""

from collections.abc import Mapping
from typing import Any

from catalog.policies.engine.builtins.registry import refusal


def release_capabilities(current: Mapping[str, Any], *, for_tests: bool = False) -> dict[str, Any]:
    """Return what ``opa capabilities --current`` printed, without every function that a policy may not call.

    Nothing may be fetched: ``allow_net`` is empty. Those ``for_tests`` have what OPA's compiler puts into tests.
    """
    added = {"internal.test_case"} if for_tests else set()
    allowed = [each for each in current["builtins"] if refusal(each["name"]) is None or each["name"] in added]
    return {**current, "builtins": allowed, "allow_net": []}
