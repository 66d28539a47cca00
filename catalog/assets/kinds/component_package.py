"""Component packages: Pulumi components in an ordinary Python wheel."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version
from pydantic import Field, StringConstraints

from catalog.assets.findings import Finding
from catalog.assets.installation import InstallEffect, listing
from catalog.assets.package import Package
from catalog.assets.shapes import Shape
from catalog.assets.skeletons import skeleton
from catalog.assets.versions import parse_version
from catalog.assets.wheel import build_wheel

_CLOUDS = {"azure": "Azure", "aws": "AWS", "gcp": "Google Cloud"}
_SOURCE = "content/src/"
_WHEEL: tuple[str, str] = ("spec", "wheel")


class ComponentSpec(Shape):
    """The ``spec`` of a component package; ``wheel`` is a pattern that exactly one file matches."""

    runtime: Literal["python"]
    wheel: Annotated[str, StringConstraints(max_length=240, pattern=r"^content/dist/[^/\r\n]+\.whl$")]
    clouds: Annotated[tuple[Literal["azure", "aws", "gcp"], ...], Field(max_length=3)] = ()


class ComponentPackage:
    """The kind ``component-package``."""

    name = "component-package"
    title = "Component package"
    description = "Pulumi components in a Python wheel, used by blueprints and by programs of your own."
    spec: type[Shape] = ComponentSpec
    sandboxed_steps: Mapping[str, str] = {
        "wheel": "Look into the wheel",
        "schema": "Read what the components take and give",
    }

    def check(self, package: Package) -> Iterator[Finding]:
        """Yield what is wrong with the wheel by its name alone; a sandboxed worker looks into it."""
        pattern = package.document.value["spec"]["wheel"]
        wheels = [path for path in package.archive.under("content/dist") if fnmatchcase(path, pattern)]
        if len(wheels) != 1:
            message = f"{len(wheels)} files match {pattern}; there must be exactly one."
            yield package.finding("wheel-number", _WHEEL, message, "Build the wheel, and remove older ones.")
            return
        yield from _check_name(package, wheels[0])

    def install(self, manifest: Mapping[str, Any]) -> Sequence[InstallEffect]:
        """Return the pinned entry that blueprints and programs use, and the stack that a component can be by itself."""
        clouds = listing([_CLOUDS[each] for each in manifest["spec"].get("clouds", ())])
        where = f" in {clouds}" if clouds else ""
        text = f"Blueprints of your tenant that build on it use this version and no other; its resources{where} are "
        text += "previewed with the stack that they become part of. Programs of your own take the wheel from your "
        text += "tenant's index with pip or uv."
        own = f"Where you name a stack, one component is made by itself: its resources{where} are previewed first, its "
        own += "outputs are kept with the revision, and uninstalling it destroys them."
        return [InstallEffect("pin", "A pinned entry", text), InstallEffect("stack", "A stack of its own", own)]

    def try_out(self, package: Package) -> Iterable[Finding]:  # noqa: ARG002
        """Find nothing: what is left to check needs the sandbox."""
        return ()

    def skeleton(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """Return a package with one small component, as source and as the wheel built from it."""
        files = dict(skeleton(self.name, namespace, name))
        sources = {path.removeprefix(_SOURCE): data for path, data in files.items() if path.startswith(_SOURCE)}
        wheel_name, data = build_wheel(name, "0.1.0", sources, requires=("pulumi>=3.160,<4",))
        return {**files, f"content/dist/{wheel_name}": data}


def _check_name(package: Package, path: str) -> Iterator[Finding]:
    try:
        _, version, _, tags = parse_wheel_filename(path.rpartition("/")[2])
    except InvalidWheelFilename:
        yield Finding("wheel-name", path, None, "This is not the name of a wheel.", "Build it with: pip wheel.")
        return
    wanted = Version(parse_version(package.manifest.metadata.version).canonical)
    if version != wanted:
        message = f"The wheel has version {version}, the asset {wanted}."
        yield Finding("wheel-version", path, None, message, "Give both the same version.")
    if not any(tag.platform == "any" and tag.abi == "none" for tag in tags):
        message = "The wheel is built for one platform."
        yield Finding("wheel-platform", path, None, message, "Build a pure Python wheel (py3-none-any).")


KIND = ComponentPackage()
