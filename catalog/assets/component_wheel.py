"""The wheel of a component package, built from its sources while the package is: nothing of a publisher's is run."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from catalog.assets.archive import PackageFile
from catalog.assets.findings import Finding
from catalog.assets.wheel import build_wheel

PROJECT = "content/pyproject.toml"
_SOURCE = "content/src/"
_DIST = "content/dist/"


def with_wheel(files: Mapping[str, PackageFile]) -> tuple[Mapping[str, PackageFile], tuple[Finding, ...]]:
    """Return a package's files, with a wheel of what lies in ``content/src`` where ``content/dist`` holds none.

    The wheel says what ``[project]`` of ``content/pyproject.toml`` says; no build backend is asked, so dynamic fields
    cannot be used. The same sources make the same bytes. A package without sources or without that file is returned as
    it is.
    """
    sources = {path.removeprefix(_SOURCE): file.content for path, file in files.items() if path.startswith(_SOURCE)}
    has_wheel = any(path.startswith(_DIST) and path.endswith(".whl") for path in files)
    if has_wheel or not sources or PROJECT not in files:
        return files, ()
    try:
        project = _checked(tomllib.loads(files[PROJECT].content.decode("utf-8")).get("project"))
        headers = tuple(_headers(project))
    except (UnicodeDecodeError, ValueError) as error:
        return files, (Finding("project", PROJECT, None, f"No wheel can be built: {error}", "Correct [project]."),)
    name, data = build_wheel(project["name"], project["version"], sources, requires=(), more=headers)
    return {**files, f"{_DIST}{name}": PackageFile(data)}, ()


def _checked(project: Any) -> Mapping[str, Any]:
    """Return the table ``[project]``; raise ``ValueError`` where a field is missing, dynamic, or of another type."""
    if not isinstance(project, dict) or not all(isinstance(project.get(key), str) for key in ("name", "version")):
        raise ValueError("name and version are needed, as texts.")
    canonicalize_name(project["name"], validate=True)
    Version(project["version"])
    if project.get("dynamic"):
        raise ValueError("a field is dynamic. Write its value, or put a built wheel into content/dist.")
    extras = project.get("optional-dependencies", {})
    lists = [project.get("dependencies", []), *(extras.values() if isinstance(extras, dict) else [None])]
    if not all(isinstance(each, list) and all(isinstance(item, str) for item in each) for each in lists):
        raise ValueError("dependencies are lists of texts.")
    return project


def _headers(project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fields of METADATA, none of which can bring a line of its own."""
    for key, field in (("description", "Summary"), ("requires-python", "Requires-Python"), ("license", "License")):
        if isinstance(project.get(key), str):
            yield field, " ".join(project[key].split())
    for requirement in project.get("dependencies", []):
        yield "Requires-Dist", str(Requirement(requirement))
    for extra, requirements in sorted(project.get("optional-dependencies", {}).items()):
        name = canonicalize_name(extra, validate=True)
        yield "Provides-Extra", name
        for requirement in map(Requirement, requirements):
            condition = f"({requirement.marker}) and " if requirement.marker else ""
            requirement.marker = Marker(f'{condition}extra == "{name}"')
            yield "Requires-Dist", str(requirement)
