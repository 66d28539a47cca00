"""The stack engine on Pulumi's Automation API: every operation in a child process that can be killed whole.

This side imports nothing of Pulumi, so that a worker stays small; see `workers.engine.child` for the other.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar, cast

from catalog.settings import Settings, cloud_credentials, storage_credentials
from workers.engine import (
    ApplyResult,
    DestroyResult,
    EngineError,
    ErrorKind,
    OnProgress,
    PreviewResult,
    RefreshResult,
    ResourceState,
    ShouldStop,
    StackRef,
    StackRequest,
    ignore_progress,
    never_stop,
    pulumi_cli,
    wire,
)
from workers.engine.child_process import ChildProcess
from workers.engine.plugin import PluginConfiguration
from workers.engine.references import in_order
from workers.engine.work_dir import work_dir

T = TypeVar("T")

QUERY_SECONDS = 60.0
SAFE_POINT_SECONDS = 10.0
ASK_SECONDS = 0.25
CLOUDS = frozenset({"azure", "aws", "gcp"})
"""The targets whose providers ask clouds."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_SOURCE = Path(__file__).resolve().parents[2]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineConfiguration:
    """Where the engine works; `credentials` are variables that an object storage of the state asks for."""

    data_dir: Path
    run_dir: Path
    tools_dir: Path
    process_host_socket: Path
    state_backend_url: str
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    docker_socket: str = "/var/run/docker.sock"
    kubeconfig: str = ""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Take what the settings say."""
        return cls(
            data_dir=settings.data_dir,
            run_dir=settings.run_dir,
            tools_dir=settings.tools_dir,
            process_host_socket=settings.process_host_socket,
            state_backend_url=settings.state_backend_url,
            docker_socket=settings.docker_socket,
            kubeconfig=settings.kubeconfig,
            credentials=_credentials(settings),
        )

    @property
    def plugin(self) -> PluginConfiguration:
        """What the plugin of the local target needs."""
        return PluginConfiguration(
            self.data_dir,
            self.run_dir,
            self.process_host_socket,
            docker_socket=self.docker_socket,
            kubeconfig=self.kubeconfig,
        )


def _credentials(settings: Settings) -> dict[str, str]:
    """Return what the state's storage asks for, and what clouds do where they are offered."""
    if CLOUDS & set(settings.targets):
        return {"AWS_REGION": settings.aws_region, **cloud_credentials()}
    return {} if settings.state_backend_url.startswith("file:") else storage_credentials()


class PulumiAutomationEngine:
    """A `StackEngine`; safe to share between threads, because it holds nothing but its configuration."""

    def __init__(self, configuration: EngineConfiguration, *, safe_point_seconds: float = SAFE_POINT_SECONDS) -> None:
        self._configuration = configuration
        self._safe_point_seconds = safe_point_seconds
        self._engine_dir = configuration.data_dir / "engine"

    def preview(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> PreviewResult:
        """Say what `up` would do."""
        return self._operate("preview", request, wire.preview_from_json, on_progress, should_stop)

    def up(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> ApplyResult:
        """Make the stack what the program says."""
        return self._operate("up", request, wire.apply_from_json, on_progress, should_stop)

    def refresh(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> RefreshResult:
        """Compare the state with the world."""
        return self._operate("refresh", request, wire.refresh_from_json, on_progress, should_stop)

    def destroy(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> DestroyResult:
        """Remove everything and the stack."""
        return self._operate("destroy", request, wire.destroy_from_json, on_progress, should_stop)

    def recover(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> RefreshResult:
        """Make an interrupted stack usable."""
        return self._operate("recover", request, wire.refresh_from_json, on_progress, should_stop)

    def exists(self, stack: StackRef) -> bool:
        """Say whether the stack is there."""
        return bool(self._query("exists", stack)["exists"])

    def stacks(self, project: str) -> tuple[StackRef, ...]:
        """List the stacks of a project."""
        return tuple(StackRef(project, name) for name in self._query("stacks", StackRef(project, "-"))["stacks"])

    def resources(self, stack: StackRef) -> tuple[ResourceState, ...]:
        """List what the state holds."""
        return wire.resources_from_json(self._query("resources", stack)["resources"])

    def _operate(
        self,
        operation: str,
        request: StackRequest,
        read: Callable[[wire.Message], T],
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> T:
        in_order(request.program)
        limit = request.time_limit
        message = self._run(
            lambda job_dir: self._job(operation, request, job_dir),
            limit,
            on_progress=on_progress,
            should_stop=should_stop,
        )
        return read(message)

    def _query(self, operation: str, stack: StackRef) -> wire.Message:
        request = StackRequest(stack, passphrase="")
        return self._run(lambda job_dir: self._job(operation, request, job_dir), QUERY_SECONDS)

    def _job(self, operation: str, request: StackRequest, work_dir: Path) -> wire.Job:
        for name in (request.stack.project, request.stack.stack):
            if not _NAME.fullmatch(name):
                raise EngineError(ErrorKind.FAILED, f"{name!r} is not a name of a project or stack")
        cli = pulumi_cli.ensure(self._configuration.tools_dir, _log.info)
        return wire.Job(
            operation=operation,
            stack=request.stack,
            work_dir=str(work_dir),
            home=str(self._home(work_dir)),
            backend_url=self._configuration.state_backend_url,
            cli=str(cli.path),
            cli_version=".".join(map(str, cli.version)),
            plugin=self._configuration.plugin.as_json(),
            program=request.program,
            labels=request.labels,
            passphrase=request.passphrase,
            credentials=self._configuration.credentials,
        )

    def _run(
        self,
        make_job: Callable[[Path], wire.Job],
        limit: float,
        *,
        on_progress: OnProgress = ignore_progress,
        should_stop: ShouldStop = never_stop,
    ) -> wire.Message:
        """Run one child to its end and return its result; whatever happens, nothing of it is left."""
        deadline = time.monotonic() + limit
        (self._engine_dir / "plugins").mkdir(mode=0o700, parents=True, exist_ok=True)
        with work_dir(self._engine_dir) as folder:
            job = make_job(folder)
            with ChildProcess(self._arguments(), self._environment(folder, job), folder) as child:
                child.send(job.as_json())
                return self._follow(child, deadline, limit, on_progress, should_stop)

    def _home(self, work_dir: Path) -> Path:
        """Make a home that lasts one operation: the command logs into it and never removes what it wrote."""
        home = work_dir / "home"
        home.mkdir(mode=0o700)
        (home / "plugins").symlink_to(self._engine_dir / "plugins", target_is_directory=True)
        return home

    def _follow(
        self, child: ChildProcess, deadline: float, limit: float, on_progress: OnProgress, should_stop: ShouldStop
    ) -> wire.Message:
        stop: EngineError | None = None
        asked = 0.0
        while True:
            message = child.receive()
            if time.monotonic() - asked > ASK_SECONDS:
                asked = time.monotonic()
                if stop is not None and asked >= deadline:
                    raise stop
                if stop is None and (stop := _reason_to_stop(deadline, limit, should_stop)) is not None:
                    deadline = asked + self._safe_point_seconds
                    child.interrupt()
            if message is None:
                continue
            if "event" in message:
                on_progress(wire.event_from_json(message["event"]))
            elif "result" in message:
                return cast("wire.Message", message["result"])
            elif "error" in message:
                raise stop or wire.error_from_json(message["error"])
            else:
                raise stop or self._broken(child)

    def _broken(self, child: ChildProcess) -> EngineError:
        _log.error("an engine process ended without a result: %s", child.last_words())
        return EngineError(ErrorKind.FAILED, "the engine's process ended unexpectedly; Slipway's log says more")

    def _arguments(self) -> list[str]:
        return [sys.executable, "-P", "-s", "-m", "workers.engine.child"]

    def _environment(self, work_dir: Path, job: wire.Job) -> dict[str, str]:
        return {
            "PATH": f"{Path(job.cli).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(work_dir),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(_SOURCE),
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
            "GRPC_VERBOSITY": "NONE",
        }


def _reason_to_stop(deadline: float, limit: float, should_stop: ShouldStop) -> EngineError | None:
    if time.monotonic() >= deadline:
        return EngineError(ErrorKind.TIMEOUT, f"the operation did not finish within {limit:g} s")
    if should_stop():
        return EngineError(ErrorKind.CANCELLED, "the operation was cancelled")
    return None
