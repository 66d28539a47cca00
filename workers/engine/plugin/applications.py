"""What applications have in common wherever they run: variables, health checks, commands, and what is kept quiet."""

import json
import os
import re
from pathlib import Path
from typing import Any

from catalog.secret_texts import secret_texts
from workers.engine.plugin.resource import UNKNOWN, InputProblem, ResourceFailure, Values

HEALTH: Values = {"path": "", "command": "", "running_seconds": 0, "timeout_seconds": 60, "interval_seconds": 0.25}
LOG_LINES = 20
_SHORTEST_SECRET = 6
"""What is not known to be a secret is looked for where it is long enough not to stand everywhere."""


def without_secrets(text: str, inputs: Values) -> str:
    """Return a text without values of ``env``: they may be secrets, or hold one, and what fails likes to print them."""
    for value in sorted(secret_texts(inputs["env"].values(), _SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text


def last_lines(text: str, inputs: Values) -> str:
    """Return the end of a log as a sentence of a failure."""
    shown = without_secrets(text, inputs)
    return f"\nIts last lines:\n{shown}" if shown else " It wrote nothing."


def numbers(name: str, given: Any, defaults: Values, most: Values | None = None) -> tuple[Values, list[InputProblem]]:
    """Return an object of numbers with its defaults, and what is wrong with it."""
    if given is UNKNOWN:
        return defaults, []
    if not isinstance(given, dict) or not given.keys() <= defaults.keys():
        return defaults, [InputProblem(name, f"must be an object of {', '.join(defaults)}")]
    wrong = [
        key
        for key, value in given.items()
        if value is not UNKNOWN and (not isinstance(value, int | float) or isinstance(value, bool) or value <= 0)
    ]
    problems = [InputProblem(f"{name}.{key}", "must be a number above 0") for key in wrong]
    large = [key for key, top in (most or {}).items() if key not in wrong and key in given and _above(given[key], top)]
    problems += [InputProblem(f"{name}.{key}", f"must be at most {(most or {})[key]}") for key in large]
    return {**defaults, **given}, problems


def _above(value: Any, most: Any) -> bool:
    return value is not UNKNOWN and value > most


def checked_env(given: Any) -> tuple[Any, list[InputProblem]]:
    """Return variables as text, and what is wrong with them; a value that is wired in may be a number."""
    if given is UNKNOWN:
        return given, []
    if not isinstance(given, dict):
        return given, [InputProblem("env", "must map names to text")]
    return {
        name: each if isinstance(each, str) or each is UNKNOWN else json.dumps(each) for name, each in given.items()
    }, []


def checked_health(given: Any) -> tuple[Values, list[InputProblem]]:
    """Return a health check with its defaults, and what is wrong with it."""
    texts = {key: given.get(key, "") if isinstance(given, dict) else "" for key in ("path", "command")}
    rest = {key: value for key, value in given.items() if key not in texts} if isinstance(given, dict) else given
    counted, problems = numbers("health", rest, {key: value for key, value in HEALTH.items() if key not in texts})
    path, command = texts["path"], texts["command"]
    if path is not UNKNOWN and not (isinstance(path, str) and re.fullmatch(r"(/[!-~]*)?", path)):
        problems.append(InputProblem("health.path", "must begin with / and hold no spaces"))
    if command is not UNKNOWN and not isinstance(command, str):
        problems.append(InputProblem("health.command", "must be text"))
    return {**counted, **texts}, problems


def inside(inputs: Values) -> Path:
    """Return where the application runs, without links; raise where its files' links lead out of them."""
    directory = Path(inputs["directory"])
    root = Path(inputs.get("root") or directory)
    try:
        # Links are the repository's own, and what lies behind them is opened to the application.
        return root / directory.resolve().relative_to(root.resolve())
    except (ValueError, OSError, RuntimeError):
        raise ResourceFailure(f"{inputs['name']}: its directory leads out of the application's files") from None


def file_of(path: Path, largest: int) -> str:
    """Return the beginning of a file of an application; raise ``OSError`` or ``UnicodeDecodeError``."""
    # A link could name a file that only this process may read.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        return file.read(largest)


def started_by(inputs: Values) -> str:
    """Return the command of an application: its own, or that of its entry in the Procfile."""
    if "command" in inputs:
        return str(inputs["command"])
    entry, path = str(inputs["procfile_entry"]), inside(inputs) / "Procfile"
    try:
        lines = file_of(path, 64 * 1024).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceFailure(f"{inputs['name']}: there is no readable Procfile in the application's files") from error
    for line in lines:
        name, colon, command = line.partition(":")
        if colon and name.strip() == entry and command.strip():
            return command.strip()
    raise ResourceFailure(f"{inputs['name']}: the Procfile has no entry {entry!r}")
