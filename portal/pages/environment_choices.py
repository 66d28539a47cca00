"""What the form that asks for an environment offers to choose from: versions, lifetimes and targets."""

from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import Session

from catalog.assets.blueprint_spec import parse_spec
from catalog.assets.durations import parse_duration
from catalog.assets.models import AssetVersionRead, VersionState, VersionSummary
from catalog.assets.offers import needs_of
from catalog.environments.service import EnvironmentTargets
from catalog.providers.targets import offered
from catalog.providers.targets.offers import lacking
from catalog.settings import Settings
from catalog.tenancy import Principal

LIFETIMES = (("PT4H", "4 hours"), ("P1D", "1 day"), ("P3D", "3 days"), ("P7D", "7 days"), ("P14D", "14 days"))


def version_options(versions: Sequence[VersionSummary]) -> list[tuple[str, str]]:
    """Return the versions that can be asked for, each with its state where that is worth knowing."""
    usable = {VersionState.PUBLISHED, VersionState.DEPRECATED, VersionState.YANKED}
    return [
        (each.version, "" if each.state is VersionState.PUBLISHED else str(each.state))
        for each in versions
        if each.state in usable
    ]


def lifetimes(version: AssetVersionRead, maximum: timedelta) -> list[tuple[str, str]]:
    """Return how long an environment may live, what the blueprint says first."""
    given = version.manifest["spec"].get("ttl", {})
    longest = min(maximum, parse_duration(given.get("maximum", "P14D")))
    usual = given.get("default", "P3D")
    name = dict(LIFETIMES).get(usual, usual)
    return [
        ("", f"{name}, as the blueprint says"),
        *((value, text) for value, text in LIFETIMES if parse_duration(value) <= longest),
    ]


def targets(version: AssetVersionRead, session: Session, settings: Settings, who: Principal) -> list[tuple[str, str]]:
    """Return the targets to choose from; empty where there is no choice."""
    spec = parse_spec(version.manifest)
    fitting = {
        name: each.title
        for name, each in offered(settings, who.tenant_name).items()
        if (spec.targets is None or name in spec.targets) and not lacking(each, needs_of(spec))
    }
    if len(fitting) < 2:
        return []
    usual = EnvironmentTargets(session, settings).placement(who.tenant_id, spec).target
    return [("", f"{fitting.get(usual or '', 'As usual')}, or where it runs already"), *fitting.items()]
