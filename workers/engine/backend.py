"""What can be asked of the state without the engine's SDK: which stacks there are, and what they hold."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from workers.engine import EngineError, ErrorKind, StackRef, machine_identity
from workers.engine.plugin import NAME
from workers.engine.state import inventory
from workers.engine.wire import Job, Message

_PROVIDER = "pulumi:providers:"


def local_backend(url: str) -> Path | None:
    """Return the directory of a state that is kept in files, None for any other."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def stack_file(backend: Path, stack: StackRef) -> Path | None:
    """Return where the state of a stack lies, None where there is no such stack."""
    directory = backend / ".pulumi" / "stacks" / stack.project
    candidates = (directory / f"{stack.stack}.json", directory / f"{stack.stack}.json.gz")
    return next((path for path in candidates if path.exists()), None)


def write_project(job: Job) -> None:
    """Write the project file, without which the command does not know the project of a stack."""
    project = {"name": job.stack.project, "runtime": "python"}
    # JSON is YAML, and quotes whatever the name holds.
    (Path(job.work_dir) / "Pulumi.yaml").write_text(json.dumps(project), "utf-8")


def command_environment(job: Job) -> dict[str, str]:
    """Return the variables of the command; passphrase and credentials are in no other process's environment."""
    return {
        **(machine_identity.VARIABLES if meets_strangers(job) else {}),
        **job.credentials,
        "PULUMI_HOME": job.home,
        "PULUMI_BACKEND_URL": _command_backend(job.backend_url),
        "PULUMI_CONFIG_PASSPHRASE": job.passphrase,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "false" if needs_others_plugins(job) else "true",
    }


def _command_backend(url: str) -> str:
    """Return the address for the command: of files, without those for attributes.

    They are not written at one stroke, and a command killed meanwhile leaves a state that can never be read again.
    """
    return url if local_backend(url) is None or urlsplit(url).query else f"{url}?metadata=skip"


def meets_strangers(job: Job) -> bool:
    """Say whether providers may run that a publisher's component chose: they get nothing of this machine's own.

    Components are there only where the state is in files; what asks an object storage needs what the machine is.
    """
    return local_backend(job.backend_url) is not None and needs_others_plugins(job)


def needs_others_plugins(job: Job) -> bool:
    """Say whether a plugin may have to be downloaded; looking for our own out there takes a second of every refresh."""
    backend = local_backend(job.backend_url)
    if backend is None:
        return True
    components = [*job.program.parts, *([job.program.component] if job.program.component is not None else [])]
    packages = {resource.type.partition(":")[0] for resource in job.program.resources}
    packages |= {package for each in components for package in each.providers}
    path = stack_file(backend, job.stack)
    if path is not None and path.suffix != ".json":
        return True
    if path is not None:
        packages |= _providers_in(json.loads(path.read_text("utf-8")))
    return bool(packages - {NAME})


def _providers_in(state: Any) -> set[str]:
    """Return the packages of the providers in a state; what resources say of themselves counts for nothing."""
    latest = (state.get("checkpoint") or {}).get("latest") or {}
    kinds = [str(each.get("type")) for each in latest.get("resources") or ()]
    return {each.removeprefix(_PROVIDER) for each in kinds if each.startswith(_PROVIDER)}


def _exists(job: Job) -> Message:
    return {"exists": job.stack.stack in _names(job)}


def _stacks(job: Job) -> Message:
    return {"stacks": _names(job)}


def _resources(job: Job) -> Message:
    if job.stack.stack not in _names(job):
        return {"resources": []}
    exported = json.loads(ask(job, "stack", "export", "--stack", job.stack.stack))
    return {"resources": inventory(exported["deployment"])}


# What is answered without importing the SDK.
QUERIES: dict[str, Callable[[Job], Message]] = {"exists": _exists, "stacks": _stacks, "resources": _resources}


def _names(job: Job) -> list[str]:
    backend = local_backend(job.backend_url)
    if backend is None:
        listed = json.loads(ask(job, "stack", "ls", "--json"))
        return sorted(item["name"].rpartition("/")[2] for item in listed)
    directory = backend / ".pulumi" / "stacks" / job.stack.project
    names = {path.name for path in directory.glob("*")} if directory.is_dir() else set()
    return sorted({name.removesuffix(".gz").removesuffix(".json") for name in names if name.endswith((".json", ".gz"))})


def ask(job: Job, *arguments: str, seconds: float | None = None) -> str:
    """Return what the command says, asked for ``seconds`` at most; raise `EngineError`."""
    try:
        done = subprocess.run(
            [job.cli, "--non-interactive", *arguments],
            cwd=job.work_dir,
            env={"PATH": os.defpath, "HOME": job.work_dir, **command_environment(job)},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(ErrorKind.FAILED, f"the command took longer than {seconds} seconds") from None
    if done.returncode:
        raise EngineError(ErrorKind.FAILED, done.stderr.strip()[-500:])
    return done.stdout
