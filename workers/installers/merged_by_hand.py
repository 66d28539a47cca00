"""What was merged, beside what was proposed: people may push to a pull request before they merge it.

What they made of it stays. The next merge bases itself on the render that was proposed and on the repository as it is,
so that whatever departs from the one is theirs in the other; all that is needed here is to say so.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.installs.files import File
from catalog.installs.models import OutcomeState
from catalog.installs.service import BY_HAND, DECLINED, Applied, Work
from catalog.operations.models import Problem
from catalog.providers.scm.git_command import run_git_for_bytes
from workers.installers.repositories import differing

_MOST_NAMED = 5
_HOW = {"changed": "was changed", "removed": "was removed", "left": "was not taken over"}


def outcome(outputs: Mapping[str, Any], departing: Mapping[str, str], planned: int) -> Applied:
    """Return what a merge means for the ledger: applied as planned, applied and changed by hand, or not at all.

    ``planned`` is at how many paths something was to change. Where nothing of it was merged, nothing was applied.
    """
    if not departing:
        return Applied(dict(outputs))
    number = outputs["pull_request"]
    if len(departing) == planned and set(departing.values()) == {"left"}:
        message = f"Pull request {number} was merged, but nothing of what was planned was left in it."
        return Applied(
            dict(outputs), OutcomeState.DECLINED, Problem(code=DECLINED.code, message=message, hint=DECLINED.hint)
        )
    told = [f"{path} {_HOW[how]}" for path, how in sorted(departing.items())]
    if len(told) > _MOST_NAMED:
        told = [*told[:_MOST_NAMED], f"and {len(told) - _MOST_NAMED} more files"]
    problem = Problem(
        code="changed_by_hand",
        message=f"Pull request {number} was merged with somebody's changes: {', '.join(told)}.",
        hint="What was merged stays. The next change is merged onto it, and asks where both sides changed the same.",
    )
    return Applied({**outputs, BY_HAND: dict(sorted(departing.items()))}, problem=problem)


def departures(mirror: Path, commit: str, writes: Mapping[str, File | None], work: Work) -> dict[str, str]:
    """Return where a commit is not as planned, by path: ``changed``, ``removed``, or ``left`` as before."""
    before = {each["path"]: each["before"] for each in work.document.get("changes", {}).get("files", ())}
    found = {}
    for path, blob in differing(mirror, commit, writes).items():
        digest = hashlib.sha256(run_git_for_bytes(mirror, "cat-file", "blob", blob)).hexdigest() if blob else blob
        found[path] = "left" if digest == before.get(path) else "removed" if blob is None else "changed"
    return found
