"""Workers that carry a campaign on and are killed: at whatever step, nothing is lost and nothing is done twice."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from catalog.campaigns.shapes import AskCampaign
from catalog.installs.service import InstallService
from catalog.installs.shapes import SetLabels
from tests.workers.campaigns.conftest import Desk

# Lives one after the other, each a process of its own that works until it is killed just before one of its commits.
LIVES = """
import itertools, os, signal, sys
from datetime import timedelta
from sqlalchemy import event
from sqlalchemy.engine import Engine
from catalog.settings import Settings
from workers import analysis, campaigns, installation
from workers.main import App
from workers.runtime.context import JobContext
from workers.runtime.drain import drain
from workers.runtime.registry import registry

def live(settings, commits):
    left = itertools.count(commits, -1)
    event.listen(Engine, "commit", lambda _: next(left) > 1 or os.kill(os.getpid(), signal.SIGKILL))
    app = App(settings, registry([installation.WORKER, campaigns.WORKER, analysis.WORKER]))
    while True:
        drain(app, patience=timedelta(seconds=0.1))
        campaigns.tick_due(JobContext(app.runtime, "campaigns.tick_due"))

settings = Settings.model_validate_json(sys.stdin.readline())
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        live(settings, int(line))
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status), flush=True)
"""
# Coprime to the number of commits of a round, so that deaths come at ever other places.
LEASES_OVER = "UPDATE deliveries SET lease_until = now() WHERE state IN ('sent', 'running')"
COMMITS = (23, 29, 31, 37, 41, 43, 47)


def run_lives(desk: Desk, until: Callable[[], bool]) -> int:
    """Let workers live and die until something is so, and return how many were killed."""
    command = [sys.executable, "-c", LIVES]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[3]) as workers:
        assert workers.stdin is not None
        assert workers.stdout is not None
        workers.stdin.write(desk.settings.model_dump_json() + "\n")
        for number in range(200):
            if until():
                workers.stdin.close()
                return number
            workers.stdin.write(f"{COMMITS[number % len(COMMITS)]}\n")
            workers.stdin.flush()
            assert workers.stdout.readline().strip() == str(int(signal.SIGKILL))
            # Their leases are over, and what they put off is due.
            with desk.database.system_session() as session:
                session.connection().execute(text(LEASES_OVER))
            desk.let_time_pass("UPDATE campaigns SET next_at = now()")
        workers.stdin.close()
    raise AssertionError("they never got there")


def test_killed_before_any_commit(desk: Desk, asked: Callable[..., AskCampaign]) -> None:
    with desk.database.tenant_session(desk.who.tenant_id) as session:
        for service in ("s1", "s2"):
            chosen = SetLabels(labels={"killed": "often"})
            InstallService(session, desk.settings).set_labels(desk.who, desk.of(service).id, chosen)
    waves = [{"size": "1", "at_once": 1}, {"size": "100%", "at_once": 1}]
    wanted = asked(soak="PT0S", selector={"labels": {"killed": "often"}}, waves=waves)
    campaign = desk.say("create", wanted)
    killed = run_lives(desk, until=lambda: desk.read(campaign).state == "planned")
    desk.say("start", campaign)
    killed += run_lives(desk, until=lambda: desk.read(campaign).state == "done")
    assert killed > 3
    assert desk.versions() == {**dict.fromkeys(("s3", "s4", "s5"), "1.0.0"), "s1": "1.1.0", "s2": "1.1.0"}
    with desk.database.tenant_session(desk.who.tenant_id) as session:
        counted = (
            "SELECT type, count(*) FROM events WHERE type LIKE 'dev.slipway.campaign.%' GROUP BY type ORDER BY type"
        )
        told = {
            kind.removeprefix("dev.slipway.").removesuffix(".v1"): number
            for kind, number in session.connection().execute(text(counted))
        }
        made = session.connection().execute(text("SELECT count(*) FROM install_revisions")).scalar_one()
    assert told == {
        "campaign.created": 1,
        "campaign.ended": 1,
        "campaign.planned": 1,
        "campaign.wave_passed": 2,
        "campaign.wave_soaking": 2,
        "campaign.wave_started": 2,
    }
    assert made == 5 + 2, "each install was upgraded once"
