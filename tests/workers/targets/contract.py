"""What every target has to do, as tests that run over each of them: one blueprint, from its commit to nothing left.

A suite for a target subclasses ``TargetContract`` and has a fixture ``bench``.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from catalog.assets.blueprint_spec import parse_spec
from catalog.environments.service import DeployPlan
from catalog.providers.scm import PullRequest, PullRequestState
from catalog.providers.targets import Target, provider, target
from catalog.settings import Settings
from workers.engine import ApplyResult, EngineError, ErrorKind, StackProgram, StackRef, StackRequest
from workers.engine.pulumi_automation import EngineConfiguration, PulumiAutomationEngine
from workers.environment_program import environment_program, sleeping_program
from workers.targets import Place

SPEC: Mapping[str, Any] = {
    "environment": {
        "components": {
            "web": {
                "type": "process",
                "procfile": "web",
                "env": {"API_URL": "${api.url}", "GREETING": "${inputs.greeting}", "PUBLIC": "${environment.url}"},
                "health": {"path": "/", "timeout": "PT60S"},
                "limits": {"memoryMb": 256, "processes": 64},
            },
            "api": {
                "type": "process",
                "command": "sh api.sh",
                "health": {"path": "/", "timeout": "PT60S"},
                "limits": {"memoryMb": 256},
            },
        },
        "outputs": {"url": "${web.url}", "revision": "${source.revision}"},
    },
}
"""One blueprint for all targets."""

# Whatever the machine or the image has: this one or that.
_SERVE = """
if command -v python3 > /dev/null; then exec python3 -m http.server -d "$pages" --bind "$HOST" "$PORT"; fi
exec httpd -f -v -p "$PORT" -h "$pages"
"""
_WEB = """
echo "starting with $GREETING"
if [ -e broken ]; then exit 3; fi
pages="${TMPDIR:-/tmp}/pages-$$"; mkdir -p "$pages"
if command -v python3 > /dev/null; then
  answer=$(python3 -c 'import os, urllib.request; print(urllib.request.urlopen(os.environ["API_URL"]).read().decode())')
else
  answer=$(wget -q -O - "$API_URL")
fi
echo "$(cat version) $GREETING $answer" > "$pages/index.html"
"""
_API = """
pages="${TMPDIR:-/tmp}/pages-$$"; mkdir -p "$pages"; echo "from the api" > "$pages/index.html"
"""
FILES = {
    "Procfile": "web: sh web.sh\n",
    "web.sh": _WEB + _SERVE,
    "api.sh": _API + _SERVE,
    "Dockerfile": "FROM slipway-contract/base\nWORKDIR /app\nCOPY . /app\n",
}


@dataclass
class Bench:
    """A target with an engine before it; `made` are the environments, `others` the repositories beside their own."""

    settings: Settings
    target: str
    repository: Path
    spec: Mapping[str, Any] = field(default_factory=lambda: SPEC)
    made: list[DeployPlan] = field(default_factory=list)
    others: Mapping[str, Path] = field(default_factory=dict)

    @property
    def engine(self) -> PulumiAutomationEngine:
        return PulumiAutomationEngine(EngineConfiguration.from_settings(self.settings))

    @property
    def there(self) -> Target:
        return target(self.target, self.settings)

    def commit(self, version: str, **files: str) -> str:
        self.repository.mkdir(exist_ok=True)
        subprocess.run(["git", "init", "--quiet", str(self.repository)], check=True)
        (self.repository / "broken").unlink(missing_ok=True)
        for name, content in {**FILES, "version": version, **files}.items():
            (self.repository / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", version)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        command = ["git", "-C", str(self.repository), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def plan(self, sha: str, environment_id: UUID | None = None, **changes: Any) -> DeployPlan:
        made = environment_id or uuid4()
        place = provider(self.target)
        hostname = f"shop-pr-42-{made.hex[:6]}.{place.domain(self.settings)}"
        plan = DeployPlan(
            tenant_id=UUID(int=1),
            environment_id=made,
            generation=1,
            operation_id=UUID(int=0),
            name="shop-pr-42",
            hostname=hostname,
            url=place.address(self.settings, hostname),
            repository=str(self.repository),
            pull_request=PullRequest(42, PullRequestState.OPEN, sha, "main"),
            head_sha=sha,
            spec=parse_spec({"spec": {**self.spec, **changes}}),
            inputs={"greeting": "ahoy-from-the-inputs"},
            target=self.target,
        )
        passwords = {name: f"password-of_{name}-{made.hex}" for name in plan.spec.environment.backing}
        plan = replace(plan, credentials=passwords)
        self.made.append(plan)
        return plan

    def place(self, plan: DeployPlan) -> Place:
        directory = self.settings.data_dir / "environments" / str(plan.environment_id)
        return Place(self.settings, self.repository, directory, self.others)

    def up(self, plan: DeployPlan, stop: Event | None = None) -> ApplyResult:
        request = self.request(plan, environment_program(plan, self.place(plan), {}))
        return self.engine.up(request, should_stop=(stop or Event()).is_set)

    def cancel(self, plan: DeployPlan, when: Callable[[], bool], seconds: float = 120) -> None:
        """Make an environment, cancel that once something holds, and see that it ends as cancelled."""
        stop = Event()
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(self.up, plan, stop)
            deadline = time.monotonic() + seconds
            while not when() and not going.done() and time.monotonic() < deadline:
                time.sleep(0.1)
            was_there = when()
            stop.set()
            failure = going.exception(seconds)
        assert was_there, failure
        assert isinstance(failure, EngineError)
        assert failure.kind is ErrorKind.CANCELLED
        self.engine.recover(self.request(plan))

    def sleep(self, plan: DeployPlan) -> ApplyResult:
        return self.engine.up(self.request(plan, sleeping_program(plan, self.place(plan), {}, ())))

    def destroy(self, plan: DeployPlan) -> None:
        self.engine.destroy(self.request(plan))

    def request(self, plan: DeployPlan, program: StackProgram | None = None) -> StackRequest:
        stack = StackRef("environments", f"shop-{plan.environment_id.hex[:12]}")
        return StackRequest(stack, "correct horse", program or StackProgram(resources=()), time_limit=240)

    def inventory(self, plan: DeployPlan) -> tuple[str, ...]:
        return self.there.inventory(plan.environment_id, plan.hostname)

    def visit(self, plan: DeployPlan) -> str:
        """Visit the public address; "" where nobody is there."""
        address = f"http://127.0.0.1:{self.settings.preview_port}/"
        answer = httpx.get(address, headers={"Host": plan.hostname}, timeout=10)
        return answer.text.strip() if answer.is_success else ""

    def clean(self) -> None:
        """Remove what tests made, whatever became of them."""
        for plan in self.made:
            self.engine.recover(self.request(plan))
            self.destroy(plan)


class TargetContract:
    """The contract: what is made answers, is named, is told apart from others, and goes."""

    def test_one_blueprint_lives_through_all_of_it(self, bench: Bench) -> None:
        sha = bench.commit("one")
        plan = bench.plan(sha)
        assert bench.inventory(plan) == ()

        result = bench.up(plan)
        assert result.outputs["revision"] == sha
        self.answers(bench, plan, "one ahoy-from-the-inputs from the api")
        assert bench.inventory(plan)
        assert plan.environment_id in {each.environment_id for each in bench.there.census()}
        self.logs(bench, plan)

        moved = bench.plan(bench.commit("two"), plan.environment_id)
        bench.up(moved)
        self.answers(bench, moved, "two ahoy-from-the-inputs from the api")

        bench.sleep(moved)
        self.rests(bench, moved)
        bench.up(moved)
        self.answers(bench, moved, "two ahoy-from-the-inputs from the api")

        bench.destroy(moved)
        assert bench.inventory(moved) == ()
        assert plan.environment_id not in {each.environment_id for each in bench.there.census()}

    def test_what_does_not_start_says_why_and_no_secret(self, bench: Bench) -> None:
        plan = bench.plan(bench.commit("three", broken="yes"))
        with pytest.raises(EngineError) as failed:
            bench.up(plan)
        self.says_why(failed.value.message)
        assert "ahoy-from-the-inputs" not in failed.value.message
        bench.destroy(plan)
        assert bench.inventory(plan) == ()

    def test_what_outlived_its_stack_is_cleared_and_others_are_not(self, bench: Bench) -> None:
        sha = bench.commit("four")
        mine, other = bench.plan(sha), bench.plan(sha)
        bench.up(mine)
        bench.up(other)
        bench.there.clear(mine.environment_id, mine.hostname)
        self.in_time(lambda: bench.inventory(mine) == ())
        assert bench.inventory(other)
        self.answers(bench, other, "four ahoy-from-the-inputs from the api")
        bench.there.clear(mine.environment_id, mine.hostname)
        bench.engine.refresh(bench.request(mine))
        bench.up(mine)
        self.answers(bench, mine, "four ahoy-from-the-inputs from the api")

    def answers(self, bench: Bench, plan: DeployPlan, text: str) -> None:
        """Look whether the environment answers with a text."""
        assert bench.visit(plan) == text

    def rests(self, bench: Bench, plan: DeployPlan) -> None:
        """Look whether nothing runs, and the address leads elsewhere."""
        assert bench.visit(plan) == ""
        assert [each for each in bench.inventory(plan) if "process" in each or "container" in each] == []

    def logs(self, bench: Bench, plan: DeployPlan) -> None:
        """Look whether what the components wrote is there."""
        tails = {each.component: each.lines for each in bench.there.log_tails(plan.environment_id, 50)}
        assert tails.keys() == {"web", "api"}
        assert "starting with ahoy-from-the-inputs" in tails["web"]

    def says_why(self, message: str) -> None:
        """Look whether a failure names the component, its end and its last words."""
        assert message.startswith("web: ")
        assert "code 3" in message
        assert "starting with [secret]" in message

    def in_time(self, holds: Any, seconds: float = 60) -> None:
        """Wait for something that a target does by itself."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.2)
