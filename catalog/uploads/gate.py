"""The compatibility gate at the upload door: what a version number promises is kept, or the archive is refused."""

from collections.abc import Iterator

from catalog.assets.compatibility import Bump, Change, Verdict
from catalog.assets.findings import Finding
from catalog.uploads.errors import IncompatibleVersionError

RULE = "incompatible"
_FILES = {"inputs": "inputs.schema.json", "outputs": "outputs.schema.json", "manifest": "asset.yaml"}


def check_promise(verdict: Verdict | None) -> tuple[Finding, ...]:
    """Return what is worth knowing about a new version's number.

    What an install is asked for anew is told, so that it shows wherever the version does. Raises
    ``IncompatibleVersionError`` with every change for which the number is too low.
    """
    if verdict is None:
        return ()
    if verdict.is_refused:
        pointers = [f"/{each.side}{each.pointer}" for each in verdict.at_fault]
        raise IncompatibleVersionError(tuple(faults(verdict)), pointers, verdict.honest.canonical)
    return (*remarks(verdict), *notices(verdict))


def faults(verdict: Verdict) -> Iterator[Finding]:
    """Yield one error for each change beyond the number, with the number under which it may be published."""
    for change in verdict.at_fault:
        fix = f"Publish as {verdict.honest}, or take it back."
        yield Finding(RULE, _FILES[change.side], None, f"{_place(change)}: {change.message}", fix)


def remarks(verdict: Verdict) -> Iterator[Finding]:
    """Yield a warning where nothing breaks but the number is lower than what is new deserves."""
    if verdict.is_modest:
        new = [each for each in verdict.changes if each.bump is Bump.MINOR]
        places = ", ".join(f"{each.side}{each.pointer}" for each in new[:3]) + (" and more" if len(new) > 3 else "")
        message = f"Since {verdict.before} there is something new ({places})."
        yield Finding("modest-version", "asset.yaml", None, message, f"{verdict.honest} would say so.", "warning")


def notices(verdict: Verdict) -> Iterator[Finding]:
    """Yield a warning for everything that an install is asked for and was not before."""
    for change in verdict.changes:
        if change.binding:
            message = f"Since {verdict.before}: {change.message}"
            fix = "Say why in the changelog; whoever installs it is asked."
            yield Finding(change.what, _FILES[change.side], None, message, fix, "warning")


def _place(change: Change) -> str:
    return change.pointer or "The schema itself"
