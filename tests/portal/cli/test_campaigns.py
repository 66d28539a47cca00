"""``slipway campaign``: seen beforehand, asked for, shown and ended, with the status that each ends with."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.db import Database
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.policy_bundles import ALLOW
from workers import campaigns, installation
from workers.main import App
from workers.runtime.context import JobContext
from workers.runtime.drain import drain
from workers.runtime.registry import registry

METRICS = """metrics:
  - {name: failures, provider: wave-facts, query: failed_share, interval: PT1M, successCondition: result < 0.5}
"""


@pytest.fixture
def app(settings: Settings, database: Database, acme: Principal, publish_policy: Callable[..., str]) -> Iterator[App]:
    """The workers of a tenant that has one install, of which a newer version is there."""
    made = App(settings, registry([installation.WORKER, campaigns.WORKER]))
    publish_policy(acme, "rules", ALLOW)
    with database.tenant_session(acme.tenant_id) as session:
        wanted = AskInstall(asset="acme/rules", target={"level": "advisory"}, name="one")
        InstallService(session, settings).plan_install(acme, wanted, auto=True)
    drain(made)
    publish_policy(acme, "rules", ALLOW, "1.1.0")
    yield made
    made.close()


def test_a_campaign_on_the_command_line(slipway: Any, signed_in: dict[str, str], app: App, tmp_path: Path) -> None:
    (tmp_path / "metrics.yaml").write_text(METRICS)
    how = ("--wave", "50%:2", "--wave", "100%", "--window", "mon-fri,sun 22:00-05:00 Europe/Berlin", "--soak", "4h")
    asking = ("acme/rules", "--name", "Rules", *how, "--stop-at", "0.1", "--keep", "--analysis", "metrics.yaml")
    seen = slipway("campaign", "preview", *asking, env=signed_in)
    assert seen.returncode == 0, seen.stderr
    assert "1 (2 at once)   one       1.0.0" in seen.stdout
    made = slipway("campaign", "create", *asking, "--json", env=signed_in)
    assert made.returncode == 0, made.stderr
    campaign = json.loads(made.stdout)
    asked = campaign["asked"]
    assert asked["waves"] == [{"size": "50%", "at_once": 2}, {"size": "100%", "at_once": 5}]
    assert asked["windows"][0]["days"] == ["mon", "tue", "wed", "thu", "fri", "sun"]
    assert (asked["soak"], asked["roll_back"], asked["stop_share"]) == ("PT4H", False, 0.1)
    drain(app)
    campaigns.tick_due(JobContext(app.runtime, "campaigns.tick_due"))
    shown = slipway("campaign", "show", campaign["id"], env=signed_in)
    assert "Rules: planned" in shown.stdout
    assert "Rules" in slipway("campaign", "list", env=signed_in).stdout
    assert slipway("campaign", "start", campaign["id"], env=signed_in).returncode == 0
    assert slipway("campaign", "resume", campaign["id"], env=signed_in).returncode == 1
    ended = slipway("campaign", "abort", campaign["id"], "--reason", "Not now.", env=signed_in)
    assert "Not now." in ended.stdout, ended.stderr
    wrong = slipway("campaign", "preview", "acme/rules", "--window", "22:00", env=signed_in)
    assert (wrong.returncode, "names no hours" in wrong.stderr) == (2, True)
    assert slipway("campaign", "show", "00000000-0000-4000-8000-000000000000", env=signed_in).returncode == 4
