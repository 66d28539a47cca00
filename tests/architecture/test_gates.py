"""No door goes round the gates: whatever changes the world passes one, or stands here with a reason."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

from catalog.gating import GatePoint

ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT / "catalog"
PASSED = {
    GatePoint.PUBLISH: "catalog/assets/service/publishing.py",
    GatePoint.RELEASE: "catalog/releases/service.py",
    GatePoint.ENVIRONMENT_REQUEST: "catalog/environments/service/room.py",
    GatePoint.ENVIRONMENT_UPDATE: "catalog/environments/service/room.py",
    GatePoint.AGENT_ACTION: "catalog/proposals/service/deciding.py",
    GatePoint.INSTALL: "catalog/installs/service/applying.py",
}
"""The gate points that services pass; the others are named for areas to come."""
COMING = {
    GatePoint.ROLLOUT_STEP: "rollouts",
    GatePoint.DRIFT_FIX: "drift",
}
"""The area that has to pass a gate as soon as it has a service."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def sources(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.py") if "__pycache__" not in path.parts]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def gates_in(path: Path) -> set[GatePoint]:
    """Return the gate points that a module names where it calls ``pass_gate``."""
    tree = parsed(path)
    calls = any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "pass_gate" for node in ast.walk(tree))
    named = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "GatePoint"
    }
    return {GatePoint[each] for each in named} if calls else set()


@cache
def called() -> dict[str, set[str]]:
    """Return which modules call a function, by its name."""
    found = defaultdict[str, set[str]](set)
    for path in [*sources(CATALOG), *sources(ROOT / "portal"), *sources(ROOT / "workers")]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                found[function].add(name(path))
    return found


def callers(function: str) -> set[str]:
    return called().get(function, set())


def constructs(area: str, table: str) -> set[str]:
    """Return the modules that make rows of an area's table."""

    def imports(path: str) -> bool:
        return any(
            isinstance(node, ast.ImportFrom)
            and node.module == f"catalog.{area}.models"
            and any(each.name == table for each in node.names)
            for node in ast.walk(parsed(ROOT / path))
        )

    return {path for path in callers(table) if imports(path)}


def test_every_gate_point_is_passed_or_waits_for_its_area() -> None:
    assert set(PASSED) | set(COMING) == set(GatePoint)
    for point, path in PASSED.items():
        assert point in gates_in(ROOT / path), point
    passed = set().union(*(gates_in(path) for path in sources(CATALOG)))
    for point, area in COMING.items():
        has_service = (CATALOG / area / "service.py").exists() or (CATALOG / area / "service").exists()
        assert not has_service or point in passed, f"{area} has a service and does not pass the gate {point}"


def test_rows_that_change_the_world_are_made_behind_a_gate() -> None:
    assert constructs("releases", "Release") == {"catalog/releases/service.py"}
    assert constructs("assets", "AssetVersion") == {"catalog/assets/service/publishing.py"}
    assert constructs("environments", "Environment") == {"catalog/environments/service/requests.py"}


def test_more_tenants_see_an_asset_only_behind_its_gate() -> None:
    assert GatePoint.PUBLISH in gates_in(CATALOG / "assets/service/curation.py")


def test_an_environment_is_never_asked_of_workers_without_its_gate() -> None:
    paths = [CATALOG / f"environments/service/{each}.py" for each in ("requests", "following", "moving", "turns")]
    nodes = [node for path in paths for node in ast.walk(parsed(path))]
    methods = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}

    def calls(method: ast.FunctionDef, function: str) -> bool:
        return any(
            isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == function
            for node in ast.walk(method)
        )

    started = ("demand", "_bring_about", "_wake_up")
    demanding = {each for each, method in methods.items() if any(calls(method, start) for start in started)}
    assert demanding
    gates = ("_pass_gate", "_ask_policies")
    assert all(any(calls(methods[each], gate) for gate in gates) for each in demanding)
    service = "catalog/environments/service"
    for start in started[1:]:
        assert callers(start) <= {*map(name, paths), f"{service}/life.py", f"{service}/room.py"}
    # Who waited for room is let in where policies still allow it; a second try, and what went missing, pass the gate
    # anew as well.
    beside = {each for each in callers("demand") if each.startswith(service)}
    assert beside == {f"{service}/{each}.py" for each in ("remaking", "room", "turns")}
    for each in ("remaking", "room"):
        assert GatePoint.ENVIRONMENT_UPDATE in gates_in(CATALOG / f"environments/service/{each}.py")
    assert callers("let_in") == {f"{service}/room.py"}
    assert callers("start_generation") == {f"{service}/generations.py", f"{service}/removals.py"}


def test_sessions_get_their_gate_in_one_place() -> None:
    allowed = {"catalog/gates/__init__.py"}
    without = {"workers/runtime/relay.py", "workers/embedded/prepare.py", "portal/cli/local_database.py"}
    assert callers("Database") - allowed == without, "open the database with catalog.gates.open_database"
    assert callers("PolicyGate") == allowed
