"""The operations themselves, through Pulumi's Automation API; runs in the child process alone."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any

from pulumi import automation
from pulumi.automation import _stack as automation_stack
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError
from semver import VersionInfo

from catalog import clock
from workers.engine import EngineError, ErrorKind, ProgramResource, ProgressEvent, ProgressKind
from workers.engine.backend import ask, command_environment, local_backend, meets_strangers, stack_file
from workers.engine.machine_identity import kept_from_it
from workers.engine.plugin import NAME, PluginConfiguration
from workers.engine.plugin.provider import build_resources
from workers.engine.plugin.resource import ResourceFailure
from workers.engine.plugin.server import serve_beside
from workers.engine.program import build
from workers.engine.recorder import Recorder, readable
from workers.engine.state import Deployment, graph, inventory, pending_creates, stack_outputs
from workers.engine.wire import Job, Message

_COMPONENT_SECONDS = 900.0
"""For how long a component's program may run; the operation's own limit ends it sooner."""
_REMOVAL_SECONDS = 5.0
"""For how long the stack that a preview needed may take to go; less than an operation has that is to stop."""

Emit = Callable[[ProgressEvent], None]


class _KnownCommand(automation.PulumiCommand):
    """The command that the parent has found, without asking for its version again, which takes 0.2 s."""

    def __init__(self, job: Job, stopping: Callable[[], bool]) -> None:
        self.command = job.cli
        self.version = VersionInfo.parse(job.cli_version)
        self._job = job
        self._stopping = stopping

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Run the command, unless the operation is to stop: one that has not begun cannot be interrupted."""
        if self._stopping():
            raise EngineError(ErrorKind.CANCELLED, "the operation was cancelled")
        run = partial(super().run, *arguments, **options)
        return kept_from_it(run) if meets_strangers(self._job) else run()


class _QuickStack(automation.Stack):
    """A stack that is neither selected beforehand nor asked for outputs and history after each operation.

    Each of these starts the command once more (0.2 to 0.6 s); one export afterwards holds all that is needed.
    """

    def __init__(self, name: str, workspace: automation.LocalWorkspace) -> None:
        self.name = name
        self.workspace = workspace

    def outputs(self) -> dict[str, Any]:
        """Return nothing: the export holds them."""
        return {}

    def info(self, show_secrets: bool | None = None) -> automation.UpdateSummary:  # noqa: FBT001 - as inherited
        """Return an empty summary: the events hold it."""
        del show_secrets
        return automation.UpdateSummary("update", clock.now(), "", {}, {}, "succeeded")


class Operations:
    """Carries out one job."""

    def __init__(self, job: Job, emit: Emit, stopping: Callable[[], bool]) -> None:
        self._job = job
        self._command = _KnownCommand(job, stopping)
        self._stopping = stopping
        self._recorder = Recorder(emit)
        self._emit = emit
        self._backend = local_backend(job.backend_url)
        self._declared: list[ProgramResource] = []
        self._shown: dict[str, Any] = {}
        self._incomplete: list[str] = []

    def run(self) -> Message:
        """Return the result as JSON data; raise `EngineError`."""
        operation: Callable[[], Message] = getattr(self, f"_{self._job.operation}")
        try:
            return operation()
        except ConcurrentUpdateError as error:
            raise EngineError(ErrorKind.LOCKED, "another operation holds this stack, or a killed one did") from error
        except CommandError as error:
            raise self._recorder.failure(readable(str(error).rpartition(" stderr: ")[2])[-500:]) from error

    def _preview(self) -> Message:
        existed = self._exists()
        try:
            stack = self._stack(self._program(), create=not existed)
            stack.preview(on_event=self._recorder.listen, color="never")
        except BaseException:
            with suppress(EngineError):  # why it failed matters more
                self._remove_previewed(existed=existed)
            raise
        self._remove_previewed(existed=existed)
        changes, summary = self._recorder.plan()
        found = {"changes": changes, "summary": summary, "graph": self._recorder.graph()}
        return {**found, "shown": self._shown, "incomplete": self._incomplete}

    def _remove_previewed(self, *, existed: bool) -> None:
        """Remove a stack that was there for a preview alone, when the operation is to stop as well."""
        if not existed:
            # Not by `self._command`, which refuses to begin anything once the operation is to stop.
            ask(self._job, "stack", "rm", "--yes", "--stack", self._job.stack.stack, seconds=_REMOVAL_SECONDS)
            self._forget_backups()

    def _up(self) -> Message:
        stack = self._stack(self._program(), create=not self._exists())
        message = json.dumps(dict(self._job.labels), sort_keys=True) if self._job.labels else None
        stack.up(on_event=self._recorder.listen, color="never", suppress_outputs=True, message=message)
        deployment = self._export(stack)
        plain, secret = stack_outputs(deployment)
        return {
            "outputs": plain,
            "secret_outputs": secret,
            "resources": inventory(deployment),
            "summary": self._recorder.summary(),
            "graph": graph(deployment),
        }

    def _program(self) -> Callable[[], Any]:
        component = self._job.program.component
        if component is None and not self._job.program.parts:
            return build(self._job.program)
        # Here because only programs of publishers need it.
        from workers.engine.components.language import ComponentLanguage, ComponentRun  # noqa: PLC0415
        from workers.engine.components.parts import part_maker  # noqa: PLC0415

        if component is None:
            taken = frozenset(each.name for each in self._job.program.resources)
            make_part = part_maker(_COMPONENT_SECONDS, self._stopping, self._declared.append, taken, self._see)
            return build(self._job.program, make_part)

        # The SDK makes its language server by itself, and offers no other way to run a program elsewhere.
        vars(automation_stack)["LanguageServer"] = ComponentLanguage
        return ComponentRun(component, _COMPONENT_SECONDS, self._stopping, self._see)

    def _see(self, component: str, shown: list[Any], *, is_complete: bool) -> None:
        """Remember what a component has shown."""
        self._shown[component] = shown
        if not is_complete:
            self._incomplete.append(component)

    def _refresh(self, *, clear_pending: bool = False) -> Message:
        if not self._exists():
            raise EngineError(ErrorKind.FAILED, f"there is no stack {self._job.stack.stack}")
        stack = self._stack(None)
        stack.refresh(
            on_event=self._recorder.listen, color="never", clear_pending_creates=clear_pending, suppress_outputs=True
        )
        steps = self._recorder.refreshed
        return {
            "changed": [urn.rpartition("::")[2] for urn, step in steps.items() if step == "update"],
            "missing": [urn.rpartition("::")[2] for urn, step in steps.items() if step == "delete"],
            "resources": inventory(self._export(stack)),
        }

    def _destroy(self) -> Message:
        if self._exists():
            stack = self._stack(None)
            stack.destroy(on_event=self._recorder.listen, color="never", remove=True, suppress_outputs=True)
        # Also where there is no stack any more: whoever removed it may have been killed before this.
        self._forget_backups()
        return {"summary": self._recorder.summary()}

    def _forget_backups(self) -> None:
        """Remove the copies of its state, and the empty folders, that a removed stack leaves in a state of files."""
        if self._backend is not None:
            stack = self._job.stack
            for parent in ("history", "backups", "locks/organization"):
                with suppress(OSError):  # not there, or not empty because somebody locks the stack
                    (self._backend / ".pulumi" / parent / stack.project / stack.stack).rmdir()
            for path in (self._backend / ".pulumi" / "stacks" / self._job.stack.project).glob("*.bak*"):
                if path.name.partition(".json")[0] == self._job.stack.stack:
                    path.unlink(missing_ok=True)

    def _recover(self) -> Message:
        if not self._exists():
            return {"changed": [], "missing": [], "resources": []}
        self._cli("cancel", "--yes", "--stack", self._job.stack.stack)
        self._clear_away(self._export(self._stack(None)))
        return self._refresh(clear_pending=True)

    def _clear_away(self, deployment: Deployment) -> None:
        """Remove what interrupted creates may have left, which the state does not know."""
        handlers = build_resources(self._plugin(), Event())
        existing = deployment.get("resources") or ()
        for resource in pending_creates(deployment):
            handler = handlers.get(resource["type"])
            if handler is None:
                continue
            kept = [
                (item["id"], item.get("outputs") or {})
                for item in existing
                if item["type"] == resource["type"] and item.get("id")
            ]
            self._emit(ProgressEvent(ProgressKind.LOG, message=f"clearing away an unfinished {resource['type']}"))
            try:
                handler.abandon(resource.get("inputs") or {}, kept)
            except ResourceFailure as error:
                raise EngineError(ErrorKind.FAILED, str(error)) from error

    def _exists(self) -> bool:
        if self._backend is not None:
            return stack_file(self._backend, self._job.stack) is not None
        try:
            self._cli("stack", "select", "--stack", self._job.stack.stack)
        except StackNotFoundError:
            return False
        return True

    def _workspace(self, program: Callable[[], Any] | None = None) -> automation.LocalWorkspace:
        job = self._job
        if self._backend is not None:
            self._backend.mkdir(mode=0o700, parents=True, exist_ok=True)
        return automation.LocalWorkspace(
            work_dir=job.work_dir,
            pulumi_home=job.home,
            program=program,
            pulumi_command=self._command,
            env_vars={**command_environment(job), "PULUMI_DEBUG_PROVIDERS": f"{NAME}:{self._plugin_port()}"},
        )

    def _plugin_port(self) -> int:
        if not hasattr(self, "_port"):
            self._port = serve_beside(self._plugin(), self._job.program, self._declared)
        return self._port

    def _plugin(self) -> PluginConfiguration:
        return replace(PluginConfiguration.from_json(dict(self._job.plugin)), credentials=self._job.credentials)

    def _stack(self, program: Callable[[], Any] | None, *, create: bool = False) -> _QuickStack:
        workspace = self._workspace(program)
        if create:
            workspace.create_stack(self._job.stack.stack)
        return _QuickStack(self._job.stack.stack, workspace)

    def _export(self, stack: _QuickStack) -> Deployment:
        return dict(stack.export_stack().deployment or {})

    def _cli(self, *arguments: str) -> str:
        done = self._command.run(list(arguments), self._job.work_dir, command_environment(self._job))
        return str(done.stdout)
