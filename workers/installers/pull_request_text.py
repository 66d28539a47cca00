"""What a pull request of an install says to whoever reviews it."""

from catalog.installs.models import Action
from catalog.installs.service import Work
from catalog.providers.scm import PullRequest
from catalog.settings import Settings

_VERBS = {
    Action.INSTALL: "Add {asset} {version}",
    Action.UPGRADE: "Upgrade {asset} to {version}",
    Action.ROLLBACK: "Go back to {asset} {version}",
    Action.UNINSTALL: "Remove {asset}",
}


def title_of(work: Work) -> str:
    """Return the title, which is the subject of the commit as well."""
    return _VERBS[work.action].format(asset=work.asset, version=work.content["version"])


def body_of(work: Work, settings: Settings) -> str:
    """Return the description: what happens to which file, where a decision was taken, and where to read more."""
    lines = [
        f"{work.created_by} asked for this with Slipway: install **{work.name}**, revision {work.number}.",
        "",
        "| File | What happens |",
        "|---|---|",
    ]
    files = work.document.get("changes", {}).get("files", [])
    lines += [f"| `{each['path'].replace('|', '/')}` | {_told(each)} |" for each in files]
    lines += [
        "",
        "Nothing is merged by itself. What was changed in this repository since the last revision is kept.",
        "",
        f"{settings.base_url}/installs/{work.install_id}",
    ]
    return "\n".join(lines)


def _told(file: dict[str, str]) -> str:
    if not file.get("conflict"):
        return file["status"]
    decision = {
        "mine": "yours is kept",
        "theirs": "the new version's is taken",
        "markers": "**both are in it, between git's marks: decide before you merge**",
    }
    return f"{file['status']}; both sides changed it, and {decision.get(file.get('resolved') or '', 'it is open')}"


def given_way(work: Work, present: PullRequest | None, *, is_ours: bool) -> str:
    """Return what is said on a pull request that another revision has taken the place of."""
    now = "Nothing is left to propose" if present is None else f"Pull request {present.number} proposes it now"
    said = f"{now}: install **{work.name}** is at revision {work.number}."
    if is_ours:
        return f"{said} This one is closed."
    return f"{said} Somebody has pushed to this branch, so it is left as it is. Merge it or close it as you like."
