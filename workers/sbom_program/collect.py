"""Looking for packages in a folder: one reader for each kind of file that names them, none of which runs anything.

Lock files of pip, Poetry and Pipenv are read by cyclonedx-bom. Where a folder has no lock file, what its project file
asks for is listed without a version and with its constraint, so that nobody takes a wish for a fact.
"""

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from workers.sbom_program.cyclonedx_document import Component, read_components
from workers.sbom_program.names import REQUIREMENTS

MOST_FILES = 2000
MOST_COMPONENTS = 50_000
LARGEST = 32 * 1024 * 1024

_GO_REQUIRE = re.compile(r"^\s*(?:require\s+)?([\w.~/-]+\.[\w.~/-]+)\s+(v[\w.+-]+)", re.MULTILINE)


@dataclass
class Collection:
    """What was found: components, which readers found them, and what could not be read."""

    components: list[Component] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


Reader = Callable[[Path], Iterable[Component]]
_UNREADABLE = (
    *(ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, RecursionError),
    *(zipfile.BadZipFile, tarfile.TarError),
)
"""What a reader raises for a file that is not what its name says."""


def collect(tree: Path, order: Mapping[str, Any]) -> Collection:
    """Return the packages that the files below ``tree`` name, and those that the order says the root depends on."""
    found = Collection([_dependency(each) for each in order.get("dependencies", ())])
    for path in _files(tree):
        reader = _reader(path)
        if reader is None or path.stat().st_size > LARGEST:
            continue
        try:
            components = list(reader[1](path))
        except _UNREADABLE as error:
            found.problems.append(f"{path.relative_to(tree)}: {type(error).__name__}: {str(error)[:200]}")
            continue
        place = str(path.relative_to(tree))
        found.readers.append(reader[0])
        found.components += [each.found_in(place) for each in components]
        if len(found.components) > MOST_COMPONENTS:
            found.problems.append(f"more than {MOST_COMPONENTS} packages: the rest is left out")
            break
    found.components = _distinct(found.components[:MOST_COMPONENTS])
    return found


def _files(tree: Path) -> Iterator[Path]:
    plain = (path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())
    for count, path in enumerate(each for each in plain if _reader(each) is not None):
        if count >= MOST_FILES:
            return
        yield path


def _distinct(components: Iterable[Component]) -> list[Component]:
    """Return each package once, in order; what is pinned somewhere is not also listed as a wish."""
    pinned = {each.package for each in components if each.version}
    kept: dict[str, Component] = {}
    for each in components:
        if each.version or each.package not in pinned:
            kept.setdefault(each.purl, each)
    return [kept[purl] for purl in sorted(kept)]


def _reader(path: Path) -> tuple[str, Reader] | None:
    name, folder = path.name, path.parent
    if name.endswith(".whl"):
        return "wheel", _wheel
    if name == "package.tgz":
        return "npm package", _npm_file
    if name == "METADATA" and folder.name.endswith(".dist-info"):
        return "installed", lambda found: _metadata(found.read_bytes(), is_here=True)
    if REQUIREMENTS.fullmatch(name):
        return "cyclonedx-bom requirements", lambda found: _cyclonedx_bom("requirements", found)
    if name in _READERS and not _is_shadowed(name, folder):
        return _READERS[name]
    return None


def _is_shadowed(name: str, folder: Path) -> bool:
    """Tell whether a lock file beside a project file says it better."""
    better = {
        "package.json": ("package-lock.json", "npm-shrinkwrap.json"),
        "pyproject.toml": ("poetry.lock", "uv.lock", "pylock.toml", "Pipfile.lock"),
    }
    return any((folder / each).is_file() for each in better.get(name, ()))


def _wheel(path: Path) -> Iterator[Component]:
    with zipfile.ZipFile(path) as wheel:
        names = [each for each in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)]
        with wheel.open(names[0]) as member:
            yield from _metadata(member.read(1024 * 1024), is_here=True, content=path.read_bytes())


def _metadata(data: bytes, *, is_here: bool, content: bytes | None = None) -> Iterator[Component]:
    fields: Message = message_from_bytes(data)
    name, version = str(fields["Name"]), str(fields["Version"])
    licence = fields["License-Expression"] or fields["License"]
    if is_here:
        own = PackageURL("pypi", None, canonicalize_name(name), version)
        yield Component.of(own, licenses=[str(licence)[:200]] if licence else [], content=content)
    for text in fields.get_all("Requires-Dist") or ():
        yield from _requirement(str(text))


def _requirement(text: str) -> Iterator[Component]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return
    if requirement.marker is not None and "extra" in str(requirement.marker):
        return  # what nobody gets who does not ask for it
    purl = PackageURL("pypi", None, canonicalize_name(requirement.name))
    yield Component.of(purl, constraint=str(requirement.specifier))


def _cyclonedx_bom(command: str, path: Path) -> list[Component]:
    """Let cyclonedx-bom read a lock file; it is a program of its own, and sees what this one sees."""
    output = Path("part.json").absolute()
    output.unlink(missing_ok=True)
    given = str(path if command == "requirements" else path.parent)
    options = ["--sv", "1.6", "--of", "JSON", "--output-reproducible", "--no-validate", "-o", str(output)]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "cyclonedx_py", command, *options, given], capture_output=True, timeout=60
    )
    if done.returncode or not output.is_file():
        raise ValueError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or "cyclonedx-bom failed")
    return read_components(json.loads(output.read_text(encoding="utf-8")), with_root=False)


def _npm_file(path: Path) -> Iterator[Component]:
    """Read an npm package file: itself, and what it was locked to or asks for."""
    found: dict[str, Any] = {}
    with tarfile.open(path, mode="r|gz") as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if name in {"package.json", "npm-shrinkwrap.json"} and member.isfile() and member.size <= LARGEST:
                content = archive.extractfile(member)
                found[name] = json.loads(content.read()) if content is not None else {}
    own = found["package.json"]
    licence = own.get("license")
    licenses = [licence] if isinstance(licence, str) else []
    yield Component.of(_npm_purl(own["name"], own["version"]), licenses=licenses, content=path.read_bytes())
    if "npm-shrinkwrap.json" in found:
        yield from _npm_locked(found["npm-shrinkwrap.json"])
    else:
        yield from _npm_asked(own)


def _npm_lock(path: Path) -> Iterator[Component]:
    yield from _npm_locked(json.loads(path.read_text(encoding="utf-8")))


def _npm_locked(document: Mapping[str, Any]) -> Iterator[Component]:
    if "packages" in document:
        for place, each in document["packages"].items():
            if place and not each.get("link"):
                name = each.get("name") or place.rpartition("node_modules/")[2]
                yield from _npm_package(name, each)
    else:
        yield from _npm_tree(document.get("dependencies", {}))


def _npm_tree(dependencies: Mapping[str, Any]) -> Iterator[Component]:
    for name, each in dependencies.items():
        yield from _npm_package(name, each)
        yield from _npm_tree(each.get("dependencies", {}))


def _npm_package(name: str, entry: Mapping[str, Any]) -> Iterator[Component]:
    version, licence = entry.get("version"), entry.get("license")
    if isinstance(version, str) and ":" not in version and "/" not in version:
        integrity = str(entry.get("integrity", "")).split(" ", maxsplit=1)[0]
        licenses = [licence] if isinstance(licence, str) else []
        yield Component.of(_npm_purl(name, version), licenses=licenses, integrity=integrity)


def _npm_project(path: Path) -> Iterator[Component]:
    yield from _npm_asked(json.loads(path.read_text(encoding="utf-8")))


def _npm_asked(document: Mapping[str, Any]) -> Iterator[Component]:
    for group in ("dependencies", "optionalDependencies", "peerDependencies"):
        for name, constraint in document.get(group, {}).items():
            yield Component.of(_npm_purl(name, None), constraint=str(constraint))


def _npm_purl(name: str, version: str | None) -> PackageURL:
    scope, slash, bare = name.rpartition("/")
    return PackageURL("npm", scope if slash else None, bare, version)


def _toml_lock(kind: str, table: str) -> Reader:
    def read(path: Path) -> Iterator[Component]:
        for each in tomllib.loads(path.read_text(encoding="utf-8")).get(table, ()):
            source = each.get("source", {})
            is_own = isinstance(source, dict) and bool({"editable", "virtual", "directory"} & set(source))
            if not is_own and each.get("version"):
                name = canonicalize_name(each["name"]) if kind == "pypi" else each["name"]
                yield Component.of(PackageURL(kind, None, name, each["version"]))

    return read


def _python_project(path: Path) -> Iterator[Component]:
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    for text in project.get("dependencies", ()):
        yield from _requirement(text)


def _go_module(path: Path) -> Iterator[Component]:
    for name, version in _GO_REQUIRE.findall(path.read_text(encoding="utf-8")):
        namespace, slash, bare = name.rpartition("/")
        yield Component.of(PackageURL("golang", namespace if slash else None, bare, version))


def _dependency(given: Mapping[str, Any]) -> Component:
    return Component.of(PackageURL.from_string(given["purl"]), constraint=given.get("constraint", ""))


_READERS: dict[str, tuple[str, Reader]] = {
    "poetry.lock": ("cyclonedx-bom poetry", lambda path: _cyclonedx_bom("poetry", path)),
    "Pipfile.lock": ("cyclonedx-bom pipenv", lambda path: _cyclonedx_bom("pipenv", path)),
    "uv.lock": ("uv.lock", _toml_lock("pypi", "package")),
    "pylock.toml": ("pylock.toml", _toml_lock("pypi", "packages")),
    "Cargo.lock": ("Cargo.lock", _toml_lock("cargo", "package")),
    "package-lock.json": ("package-lock.json", _npm_lock),
    "npm-shrinkwrap.json": ("package-lock.json", _npm_lock),
    "package.json": ("package.json", _npm_project),
    "pyproject.toml": ("pyproject.toml", _python_project),
    "go.mod": ("go.mod", _go_module),
}
