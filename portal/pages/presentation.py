"""How values read on a page: looks of states, relative times, sizes and short names."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Tone = Literal["quiet", "accent", "busy", "good", "warn", "bad"]


@dataclass(frozen=True)
class Look:
    """How a state is shown: always a label and an icon, so that colour is never the only sign."""

    label: str
    tone: Tone
    icon: str
    meaning: str = ""
    is_moving: bool = False


PHASES: dict[str, Look] = {
    "requested": Look("Requested", "busy", "clock", "Waiting to be looked at.", is_moving=True),
    "rejected": Look("Rejected", "bad", "ban", "A policy refused this environment."),
    "pending_approval": Look("Needs approval", "warn", "hourglass", "Somebody has to approve this commit."),
    "queued": Look("Queued", "busy", "clock", "Waiting for a free worker, or for room.", is_moving=True),
    "provisioning": Look("Provisioning", "busy", "loader-circle", "Being built for the first time.", is_moving=True),
    "updating": Look("Updating", "busy", "loader-circle", "The last version serves until the new one is healthy.",
                     is_moving=True),
    "ready": Look("Ready", "good", "circle-check", "Running and reachable."),
    "sleeping": Look("Sleeping", "quiet", "moon-star", "Stopped to save resources; it can be woken."),
    "waking": Look("Waking", "busy", "loader-circle", "Starting again.", is_moving=True),
    "failed": Look("Failed", "bad", "circle-x", "The last change did not succeed."),
    "unknown": Look("Checking", "warn", "refresh-cw", "The worker was interrupted; what exists is being read again.",
                    is_moving=True),
    "destroying": Look("Destroying", "busy", "loader-circle", "Everything it made is being removed.", is_moving=True),
    "verifying_gone": Look("Verifying removal", "busy", "loader-circle", "Making sure that nothing is left.",
                           is_moving=True),
    "destroy_failed": Look("Removal failed", "bad", "octagon-alert", "Something is left; removal is tried again.",
                           is_moving=True),
    "destroyed": Look("Destroyed", "quiet", "circle-slash", "Nothing of it is left."),
}  # fmt: skip
OPERATION_STATES: dict[str, Look] = {
    "pending": Look("Waiting", "quiet", "clock", is_moving=True),
    "running": Look("Running", "busy", "loader-circle", is_moving=True),
    "succeeded": Look("Succeeded", "good", "circle-check"),
    "failed": Look("Failed", "bad", "circle-x"),
    "cancelled": Look("Cancelled", "quiet", "circle-slash"),
}
STEP_STATES: dict[str, Look] = {
    "pending": Look("not started", "quiet", "circle-dashed"),
    "running": Look("running", "busy", "loader-circle", is_moving=True),
    "succeeded": Look("done", "good", "circle-check"),
    "failed": Look("failed", "bad", "circle-x"),
    "skipped": Look("skipped", "quiet", "circle-minus"),
}
VERSION_STATES: dict[str, Look] = {
    "draft": Look("Draft", "quiet", "circle-dashed", "Uploaded and not offered yet."),
    "in_review": Look("In review", "busy", "clock", "Waits for a second person."),
    "published": Look("Published", "good", "circle-check"),
    "deprecated": Look("Deprecated", "warn", "triangle-alert", "It still works, but plan to move to another version."),
    "yanked": Look("Yanked", "warn", "circle-minus", "Only taken when this exact version is asked for."),
    "revoked": Look("Revoked", "bad", "ban", "It cannot be used for anything new."),
    "quarantined": Look("Quarantined", "bad", "octagon-alert", "It cannot be downloaded or used until it is cleared."),
    "archived": Look("Archived", "quiet", "archive", "No longer maintained."),
}
SESSION_STATES: dict[str, Look] = {
    "open": Look("Open", "busy", "package", "Versions can be added."),
    "in_review": Look("In review", "warn", "hourglass", "It waits for a second person."),
    "published": Look("Published", "good", "circle-check", "All of it is out."),
    "discarded": Look("Discarded", "quiet", "circle-slash", "It was thrown away."),
}
PROOF_STATES: dict[str, Look] = {
    "pending": Look("Looking for it", "busy", "clock", "It was not found yet; it is looked for again."),
    "verified": Look("Verified", "good", "shield-check", "It was found, and is looked at daily."),
    "lapsed": Look("Lapsed", "bad", "circle-slash", "It was gone for a week and is looked for no longer."),
}
UPLOAD_STATES: dict[str, Look] = {
    "received": Look("Being checked", "busy", "loader-circle", "A sandboxed worker checks it.", is_moving=True),
    "checked": Look("Checked", "good", "circle-check", "Nothing is left to check."),
    "published": Look("Published", "good", "circle-check"),
    "held": Look("Kept", "good", "archive", "Its version is a draft, or waits for review."),
    "rejected": Look("Not accepted", "bad", "circle-x", "Nothing was published."),
}
KINDS: dict[str, Look] = {
    "deployment-blueprint": Look("Deployment blueprint", "accent", "rocket", "What an environment is made of"),
    "pipeline-template": Look("Pipeline template", "accent", "workflow", "Build, test and release in CI"),
    "component-package": Look("Component package", "accent", "blocks", "Infrastructure to build with"),
    "policy-bundle": Look("Policy bundle", "accent", "scale", "Rules that releases and plans must keep"),
}
LEVELS: dict[str, Look] = {
    "none": Look("Kept", "good", "circle-check", "No rule is broken."),
    "advisory": Look("Advisory", "warn", "info", "Told, but it stops nothing."),
    "mandatory-with-override": Look("Needs an override", "bad", "lock", "Stops until a person overrides it on record."),
    "mandatory": Look("Mandatory", "bad", "ban", "Stops until it is mended or waived."),
}
MODES: dict[str, Look] = {
    "shadow": Look("Watched", "quiet", "search", "It is asked, and its answer does not count."),
    "advisory": Look("Advises", "warn", "info", "It is told, but it stops nothing yet."),
    "enforced": Look("Enforced", "good", "circle-check", "It counts with its level."),
}
VERDICTS: dict[str, Look] = {
    "allowed": Look("Allowed", "good", "circle-check", "Every rule is kept."),
    "remarks": Look("Allowed with remarks", "warn", "triangle-alert", "Advisory rules are broken."),
    "denied": Look("Denied", "bad", "ban", "A mandatory rule is broken."),
}
PROPOSAL_STATES: dict[str, Look] = {
    "proposed": Look("To decide", "warn", "hourglass", "Nobody has decided about it yet."),
    "approved": Look("Approved", "busy", "check", "A person wants it carried out."),
    "applied": Look("In effect", "good", "circle-check", "It was carried out and still holds."),
    "rejected": Look("Rejected", "bad", "circle-x", "A person does not want it."),
    "superseded": Look("Superseded", "quiet", "history", "The facts, or another finding, have made it needless."),
    "expired": Look("Expired", "quiet", "clock", "Nobody carried it out in time."),
    "withdrawn": Look("Withdrawn", "quiet", "circle-slash", "The agent has taken it back."),
}
AUTONOMY: dict[str, Look] = {
    "off": Look("Off", "quiet", "circle-slash", "it is not started"),
    "observe": Look("Observe", "quiet", "search", "it notes what it would propose"),
    "propose": Look("Propose", "accent", "info", "it proposes, and people carry it out"),
    "act-with-approval": Look("Act with approval", "busy", "check", "it carries out what you approve"),
    "act": Look("Act", "good", "circle-check", "it carries out what it proposes"),
}
RUN_STATES: dict[str, Look] = {
    "running": Look("Running", "busy", "loader-circle", is_moving=True),
    "done": Look("Done", "good", "circle-check"),
    "stopped": Look("Stopped", "warn", "ban", "It was stopped before its next effect."),
    "failed": Look("Failed", "bad", "circle-x", "It is tried again, unless it failed too often."),
}
EVIDENCE: dict[str, Look] = {
    "verified": Look("Evidence", "good", "badge-check", "Its signature was verified and its signer is trusted."),
    "invalidated": Look("No longer evidence", "warn", "history", "It was evidence; its signer is trusted no longer."),
    "rejected": Look("Not accepted", "bad", "ban", "It proves nothing, and is kept apart from all evidence."),
}
KEY_STATES: dict[str, Look] = {
    "active": Look("Active", "good", "circle-check", "What it signs is evidence."),
    "retiring": Look("Retiring", "busy", "hourglass", "Another key signs; this one verifies until its overlap ends."),
    "retired": Look("Retired", "quiet", "archive", "It verifies only what arrived while it was in use."),
    "revoked": Look("Revoked", "bad", "ban", "It is not trusted any more."),
}
INSTALL_STATES: dict[str, Look] = {
    "pending": Look("Waiting for a worker", "busy", "clock", "It is taken up in a moment.", is_moving=True),
    "applying": Look("Being applied", "busy", "loader-circle", "A worker brings it about.", is_moving=True),
    "waiting": Look("Waits outside", "warn", "hourglass", "Somebody outside decides, as by merging a pull request."),
    "applied": Look("Applied", "good", "circle-check", "What is wanted is there."),
    "failed": Look("Failed", "bad", "circle-x", "The last change did not come about; what was there before still is."),
    "declined": Look("Declined", "bad", "ban", "Somebody outside said no, and nothing was there before."),
    "removed": Look("Removed", "quiet", "archive", "Nothing of it is left that Slipway put there."),
    "held": Look("Needs approval", "warn", "hourglass", "People have to approve it first."),
}
OUTCOMES: dict[str, Look] = {
    "running": Look("Under way", "busy", "loader-circle", "It is being brought about."),
    "waiting": INSTALL_STATES["waiting"],
    "applied": INSTALL_STATES["applied"],
    "failed": Look("Failed", "bad", "circle-x", "It did not come about."),
    "declined": Look("Declined", "bad", "ban", "Somebody outside said no."),
    "superseded": Look("Superseded", "quiet", "history", "Another revision took its place while it waited."),
}
MAKING_STATES: dict[str, Look] = {
    "made": Look("Made", "good", "circle-check"),
    "not_possible": Look("Not possible here", "warn", "triangle-alert", "Something of this machine is missing."),
    "unsupported": Look("Nothing to look into", "quiet", "circle-minus", "Slipway does not hold its bytes."),
    "failed": Look("Failed", "bad", "circle-x", "Its content made the generator fail."),
}
APPROVAL_STATES: dict[str, Look] = {
    "pending": Look("Waiting", "warn", "hourglass", "People have to decide."),
    "granted": Look("Approved", "good", "circle-check", "Just this plan may be carried out."),
    "lapsed": Look("Counts no longer", "warn", "triangle-alert", "It was approved, and cannot be used any more."),
    "denied": Look("Denied", "bad", "ban", "Somebody said no."),
    "expired": Look("Expired", "quiet", "clock", "Nobody decided in time."),
    "voided": Look("Voided", "quiet", "circle-slash", "The plan changed, or it was taken back."),
}
NOTIFICATION_STATES: dict[str, Look] = {
    "pending": Look("On its way", "busy", "clock", "It is sent, or tried again at a later time."),
    "held": Look("Gathered", "quiet", "hourglass", "It waits for the next digest."),
    "digested": Look("In a digest", "good", "layers", "It went out together with others."),
    "delivered": Look("Delivered", "good", "circle-check", "It was taken."),
    "dead": Look("Given up", "bad", "mail-x", "It did not get through; it can be sent again."),
}
SUBSCRIPTION_STATES: dict[str, Look] = {
    "active": Look("Active", "good", "circle-check", "What it wants is sent."),
    "paused": Look("Paused", "quiet", "circle-minus", "Nothing is sent until it is resumed."),
    "disabled": Look("Disabled", "bad", "unplug", "Lasting failure has ended it; it can be resumed."),
}
SEVERITIES: dict[str, Look] = {
    "info": Look("For your information", "quiet", "info"),
    "warning": Look("Warning", "warn", "triangle-alert"),
    "critical": Look("Critical", "bad", "octagon-alert"),
}
CHANNELS: dict[str, Look] = {
    "inbox": Look("In the portal", "quiet", "inbox"),
    "mail": Look("Mail", "quiet", "scroll-text"),
    "webhook": Look("Webhook", "quiet", "workflow"),
}
CAMPAIGN_STATES: dict[str, Look] = {
    "planning": Look("Being planned", "busy", "loader-circle", "Its upgrades are planned. Nothing is changed yet.",
                     is_moving=True),
    "planned": Look("Planned", "accent", "layers", "Nothing is changed before somebody starts it."),
    "running": Look("Upgrading", "busy", "loader-circle", "Installs of the wave are upgraded.", is_moving=True),
    "soaking": Look("Watching", "busy", "search", "The wave is through and is watched for a while.", is_moving=True),
    "paused": Look("Paused", "warn", "hourglass", "Nothing new begins until somebody says so."),
    "stopped": Look("Stopped", "bad", "octagon-alert", "It stopped, and somebody has to decide how to go on."),
    "rolling_back": Look("Going back", "busy", "history", "Installs go back to the revision that was there before.",
                         is_moving=True),
    "done": Look("Done", "good", "circle-check", "Every wave has passed."),
    "aborted": Look("Ended", "quiet", "circle-slash", "It was ended before its last wave had passed."),
}  # fmt: skip
WAVE_STATES: dict[str, Look] = {
    "pending": Look("Not begun", "quiet", "circle-dashed"),
    "running": CAMPAIGN_STATES["running"],
    "soaking": CAMPAIGN_STATES["soaking"],
    "passed": Look("Passed", "good", "circle-check"),
    "stopped": Look("Stopped", "bad", "octagon-alert"),
    "rolled_back": Look("Rolled back", "warn", "history"),
}
MEMBER_STATES: dict[str, Look] = {
    "planning": Look("Being planned", "busy", "loader-circle", is_moving=True),
    "excluded": Look("Left out", "quiet", "circle-minus"),
    "planned": Look("Its turn comes", "quiet", "circle-dashed"),
    "running": Look("Under way", "busy", "loader-circle", is_moving=True),
    "held": Look("Held", "warn", "lock", "People have to decide before it goes on."),
    "waiting": INSTALL_STATES["waiting"],
    "upgraded": Look("Upgraded", "good", "circle-check"),
    "failed": Look("Failed", "bad", "circle-x"),
    "skipped": Look("Skipped", "quiet", "circle-minus", "It was changed or removed meanwhile, and left alone."),
    "left": Look("Left", "quiet", "clock", "The campaign went on without it."),
    "rolling_back": Look("Going back", "busy", "history", is_moving=True),
    "rolled_back": Look("Rolled back", "warn", "history"),
    "kept": Look("Not rolled back", "bad", "triangle-alert"),
}
ANALYSIS_PHASES: dict[str, Look] = {
    "pending": Look("Not measured yet", "quiet", "circle-dashed"),
    "running": Look("Being measured", "busy", "loader-circle", is_moving=True),
    "successful": Look("Good", "good", "circle-check"),
    "failed": Look("Bad", "bad", "circle-x"),
    "error": Look("Cannot be measured", "bad", "triangle-alert"),
    "inconclusive": Look("Undecided", "warn", "triangle-alert"),
    "nodata": Look("No data", "warn", "circle-slash"),
}
_NO_SUCH = Look("Unknown", "quiet", "circle-dashed")
_FAMILIES = {
    "campaign": CAMPAIGN_STATES,
    "wave": WAVE_STATES,
    "member": MEMBER_STATES,
    "analysis": ANALYSIS_PHASES,
    "phase": PHASES,
    "install": INSTALL_STATES,
    "outcome": OUTCOMES,
    "approval": APPROVAL_STATES,
    "notification": NOTIFICATION_STATES,
    "subscription": SUBSCRIPTION_STATES,
    "severity": SEVERITIES,
    "channel": CHANNELS,
    "operation": OPERATION_STATES,
    "step": STEP_STATES,
    "version": VERSION_STATES,
    "proof": PROOF_STATES,
    "session": SESSION_STATES,
    "upload": UPLOAD_STATES,
    "kind": KINDS,
    "proposal": PROPOSAL_STATES,
    "autonomy": AUTONOMY,
    "run": RUN_STATES,
    "evidence": EVIDENCE,
    "key": KEY_STATES,
    "making": MAKING_STATES,
    "level": LEVELS,
    "mode": MODES,
    "verdict": VERDICTS,
}


def look(family: str, value: str) -> Look:
    """Return how ``value`` of a family such as phase, version or verdict is shown; others keep their name."""
    text = str(value)
    return _FAMILIES[family].get(text) or Look(text.replace("_", " ").capitalize(), _NO_SUCH.tone, _NO_SUCH.icon)


_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def relative(moment: datetime, now: datetime) -> str:
    """Say how far ``moment`` is from ``now``, such as ``3 hours ago`` or ``in 2 days``."""
    seconds = (moment - now).total_seconds()
    if -60 < seconds <= 0:
        return "just now"
    unit, size = next(unit for unit in _UNITS if abs(seconds) >= unit[1] or unit[1] == 1)
    count = max(1, int(abs(seconds) // size))
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {words}" if seconds > 0 else f"{words} ago"


def exact(moment: datetime) -> str:
    """Return the full moment for a title, such as ``23 Nov 2026, 12:20:11 UTC``."""
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def duration(length: timedelta | float) -> str:
    """Return a length of time in its two largest units, such as ``1 h 5 min``, ``12 s`` or ``0.4 s``."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    parts = []
    rest = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def file_size(count: int) -> str:
    """Return a number of bytes as people read it, in binary units."""
    if count < 1024:
        return f"{count} B"
    exponent = min((count.bit_length() - 1) // 10, 4)
    size = count / 1024**exponent
    return f"{size:.0f} {_SIZES[exponent]}" if size >= 100 else f"{size:.1f} {_SIZES[exponent]}"


def short_digest(digest: str, length: int = 12) -> str:
    """Return the start of a digest or commit, without its algorithm."""
    return digest.rpartition(":")[2][:length]


def plural(count: int, singular: str, many: str = "") -> str:
    """Return a count with its noun, such as ``1 version`` or ``3 versions``."""
    return f"{count:,} {singular if count == 1 else many or singular + 's'}"


def initials(name: str) -> str:
    """Return one or two letters that stand for a name."""
    words = [word for word in name.replace("@", " ").replace("-", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]) or "?"


def as_json(value: object) -> str:
    """Return a value as JSON for people; Jinja's own ``tojson`` is for scripts, and writes ``>`` as an escape."""
    return json.dumps(value, ensure_ascii=False)


def filters(clock: Callable[[], datetime]) -> dict[str, Callable[..., str]]:
    """Return the filters that templates use; relative times are measured from what ``clock`` says."""
    return {
        "relative": lambda moment: relative(moment, clock()),
        "exact": exact,
        "duration": duration,
        "file_size": file_size,
        "short": short_digest,
        "plural": plural,
        "initials": initials,
        "as_json": as_json,
    }
