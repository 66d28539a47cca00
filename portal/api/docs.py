"""The API's documentation as a page: rendered here from the schema, with nothing from elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from litestar import Response, get

from portal.boundary import WebRequest
from portal.pages.render import Page, Renderer

SCHEMA_PATH = "/api/openapi.json"


@dataclass(frozen=True)
class Entry:
    """One operation of the API."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[tuple[str, str, str], ...]
    body: str
    answers: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class DocsPage(Page):
    """Every operation by tag, and every shape by name."""

    template: ClassVar[str] = "api/docs.html"

    title: str
    description: str
    groups: tuple[tuple[str, tuple[Entry, ...]], ...]
    shapes: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...]
    schema_path: str = SCHEMA_PATH


@get("/api/docs", sync_to_thread=True)
def show_docs(request: WebRequest) -> Response[str]:
    """Show every route with its parameters, bodies and answers."""
    schema = request.app.openapi_schema.to_schema()
    renderer: Renderer = request.app.state.renderer
    return renderer.respond(request, docs_page(schema))


def docs_page(schema: Mapping[str, Any]) -> DocsPage:
    """Return the page for an OpenAPI document."""
    groups: dict[str, list[Entry]] = {}
    for path, methods in sorted(schema["paths"].items()):
        for method, operation in methods.items():
            if isinstance(operation, dict) and "operationId" in operation:
                tag = operation.get("tags", ["other"])[0]
                groups.setdefault(tag, []).append(_entry(path, method, operation))
    shapes = [(name, str(each.get("description", "")), _fields(each)) for name, each in _shapes(schema)]
    return DocsPage(
        title=schema["info"]["title"],
        description=schema["info"].get("description", ""),
        groups=tuple((tag, tuple(entries)) for tag, entries in sorted(groups.items())),
        shapes=tuple(shapes),
    )


def _shapes(schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from sorted(schema.get("components", {}).get("schemas", {}).items())


def _entry(path: str, method: str, operation: Mapping[str, Any]) -> Entry:
    parameters = [
        (each["name"], each["in"], str(each.get("description", ""))) for each in operation.get("parameters", ())
    ]
    answers = [
        (status, str(each.get("description", "")), _content(each))
        for status, each in sorted(operation.get("responses", {}).items())
    ]
    return Entry(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=str(operation.get("summary", "")),
        description=str(operation.get("description", "")),
        parameters=tuple(parameters),
        body=_content(operation.get("requestBody", {})),
        answers=tuple(answers),
    )


def _content(holder: Mapping[str, Any]) -> str:
    names = [_type(each.get("schema", {})) for each in holder.get("content", {}).values()]
    return ", ".join(name for name in names if name)


def _fields(schema: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    properties = schema.get("properties", {})
    return tuple((name, _type(each), str(each.get("description", ""))) for name, each in properties.items())


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for combined in ("oneOf", "anyOf"):
        if combined in schema:
            return " or ".join(_type(each) for each in schema[combined])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return "one of " + ", ".join(str(each) for each in schema["enum"])
    return str(schema.get("format") or schema.get("type") or "")
