"""The released API is a promise: what ``v1.json`` holds may be added to, never changed or taken away.

An addition becomes a promise by ``python -m pytest tests/contracts/openapi --accept-api``, which writes the file anew
and still refuses anything that would break a caller.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from catalog.settings import Settings
from portal.app import create_app

GOLDEN = Path(__file__).with_name("v1.json")
# Words for people, which may be improved at any time.
PROSE = {"description", "summary", "title", "example", "examples", "tags", "info"}


@pytest.fixture(scope="session")
def current() -> dict[str, Any]:
    """Return the API's document as it is now."""
    app = create_app(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing"))
    document: dict[str, Any] = json.loads(json.dumps(app.openapi_schema.to_schema(), sort_keys=True))
    return document


def broken(old: Any, new: Any, place: str = "", *, is_input: bool = False) -> Iterator[str]:
    """Yield what a caller of ``old`` would miss in ``new``."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            here = f"{place}/{key}"
            if key in PROSE and "properties" not in place.rpartition("/")[2]:
                continue
            if key not in new:
                yield f"{here} is gone"
            else:
                yield from broken(value, new[key], here, is_input=is_input or key in {"requestBody", "parameters"})
        if is_input or _is_asked(place):
            for name in set(new.get("required") or ()) - set(old.get("required") or ()) if _is_shape(new) else ():
                yield f"{place} requires {name} now"
    elif isinstance(old, list) and isinstance(new, list):
        yield from _broken_list(old, new, place, is_input=is_input)
    elif old != new:
        yield f"{place} was {old!r} and is {new!r}"


def _broken_list(old: list[Any], new: list[Any], place: str, *, is_input: bool) -> Iterator[str]:
    if place.endswith("/parameters"):
        known = {(each["in"], each["name"]): each for each in new}
        for each in old:
            key = (each["in"], each["name"])
            if key not in known:
                yield f"{place}/{each['name']} is gone"
            else:
                yield from broken(each, known[key], f"{place}/{each['name']}", is_input=True)
        fresh = [each for each in new if (each["in"], each["name"]) not in {(o["in"], o["name"]) for o in old}]
        yield from (f"{place}/{each['name']} is required now" for each in fresh if each.get("required"))
    elif place.endswith("/required"):
        # An answer that promises more is an addition; a question that asks for less is one as well.
        if not is_input and not _is_asked(place):
            yield from (f"{place} no longer promises {each}" for each in old if each not in new)
    else:
        for index, each in enumerate(old):
            if each not in new and not any(not list(broken(each, other, place)) for other in new):
                yield f"{place}/{index} is gone: {each!r}"


def _is_shape(value: dict[str, Any]) -> bool:
    return isinstance(value.get("required"), list)


ASKED = ("RequestEnvironment", "CreateToken", "Extend", "ChangeVersionState", "ScmHook", "UploadForm")


def _is_asked(place: str) -> bool:
    return any(f"/schemas/{name}" in place for name in ASKED)


def test_nothing_that_was_released_changed(current: dict[str, Any], request: pytest.FixtureRequest) -> None:
    released = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert list(broken(released, current)) == []
    if request.config.getoption("--accept-api", default=False):
        GOLDEN.write_text(json.dumps(current, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["paths", "/api/v2/new"], {"get": {}}),
        (["components", "schemas", "EnvironmentRead", "properties", "more"], {"type": "string"}),
        (["components", "schemas", "RequestEnvironment", "properties", "more"], {"type": "string"}),
        (["components", "schemas", "EnvironmentRead", "description"], "Better words."),
    ],
)
def test_additions_pass(current: dict[str, Any], path: list[str], value: object) -> None:
    grown = deepcopy(current)
    place = grown
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert list(broken(current, grown)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["paths", "/api/v1/environments"], None),
        (["paths", "/api/v1/environments", "get", "operationId"], "other"),
        (["paths", "/api/v1/environments", "get", "responses", "422"], None),
        (["components", "schemas", "EnvironmentRead", "properties", "url"], None),
        (["components", "schemas", "EnvironmentRead", "properties", "pull_request", "type"], "string"),
        (["components", "schemas", "RequestEnvironment", "required"], ["repository", "pull_request", "blueprint", "x"]),
        (["components", "schemas", "EnvironmentRead", "required"], ["id"]),
        (["components", "schemas", "TokenRead", "properties", "name"], None),
    ],
)
def test_changes_fail(current: dict[str, Any], path: list[str], value: object) -> None:
    changed = deepcopy(current)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert list(broken(current, changed)) != []


def test_a_parameter_may_come_but_not_go(current: dict[str, Any]) -> None:
    changed = deepcopy(current)
    parameters = changed["paths"]["/api/v1/environments"]["get"]["parameters"]
    gone = parameters.pop()
    assert list(broken(current, changed)) == [f"/paths//api/v1/environments/get/parameters/{gone['name']} is gone"]
    assert list(broken(changed, current)) == []
    parameters.append({**gone, "name": "fresh", "required": True})
    assert any("fresh is required now" in each for each in broken(current, changed))
