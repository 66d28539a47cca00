"""`slipway:docker:Network` and `slipway:docker:Image`: what containers of an environment need beforehand."""

import http.client
import io
import os
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO

from catalog.providers.targets.docker_api import COMPONENT_LABEL, ENVIRONMENT_LABEL, DockerEngine, DockerError
from workers.engine.plugin.process import inside
from workers.engine.plugin.resource import (
    UNKNOWN,
    Created,
    Difference,
    InputProblem,
    ResourceFailure,
    Values,
    differing,
    require_text,
    unexpected,
)

BUILD_SECONDS = 900.0
NETWORK_INPUTS = ("environment_id",)
IMAGE_INPUTS = ("environment_id", "name", "root", "directory", "revision", "base")
_GENERATED = "Dockerfile.slipway"
_BUILD_MEMORY = 4 * 1024**3
_REMOVALS = 20
_PAUSE_SECONDS = 0.25


def failure(error: DockerError) -> ResourceFailure:
    """Return what the engine said as the failure of a resource."""
    return ResourceFailure(error.message)


class NetworkResource:
    """The network of one environment. Inputs: `environment_id`."""

    type = "slipway:docker:Network"
    secrets: tuple[str, ...] = ()

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check the one input."""
        return inputs, unexpected(inputs, NETWORK_INPUTS) + require_text(inputs, *NETWORK_INPUTS)

    def diff(self, old: Values, new: Values) -> Difference:
        """Another environment has another network."""
        changed = differing(NETWORK_INPUTS, old, new)
        return Difference(changed=changed, replaces=changed)

    def create(self, inputs: Values) -> Created:
        """Make the network."""
        body = {
            "Name": f"slipway-{inputs['environment_id']}",
            "CheckDuplicate": True,
            "Labels": {ENVIRONMENT_LABEL: str(inputs["environment_id"])},
        }
        try:
            return Created(str(self._engine.make("/networks/create", body)["Id"]))
        except DockerError as error:
            raise failure(error) from error

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that it is gone."""
        try:
            return None if self._engine.get(f"/networks/{resource_id}") is None else state
        except DockerError as error:
            raise failure(error) from error

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Refuse: a network is never changed."""
        raise ResourceFailure(
            f"a network is replaced, never changed: {resource_id} {differing(NETWORK_INPUTS, old, new)}"
        )

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove it."""
        del state
        try:
            self._engine.remove(f"/networks/{resource_id}")
        except DockerError as error:
            raise failure(error) from error

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove networks of this environment that no resource has."""
        known = {resource_id for resource_id, _outputs in kept}
        try:
            for each in self._engine.found("networks", f"{ENVIRONMENT_LABEL}={inputs.get('environment_id')}"):
                if each["Id"] not in known:
                    self._engine.remove(f"/networks/{each['Id']}")
        except DockerError as error:
            raise failure(error) from error


class ImageResource:
    """An image built from a checkout: from its `Dockerfile`, or its files on top of `base` where it has none.

    Inputs: `environment_id`, `name` (of the component), `directory`, `root` (out of which it may not lead),
    `revision` and `base` ("" where there is none). The id is the image's digest, so that a container names exactly
    what was built.
    """

    type = "slipway:docker:Image"
    secrets: tuple[str, ...] = ()

    def __init__(self, engine: DockerEngine, environments: Path) -> None:
        self._engine = engine
        self._environments = environments

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs; the directory must be one of an environment."""
        problems = unexpected(inputs, IMAGE_INPUTS)
        problems += require_text(inputs, "environment_id", "name", "root", "directory", "revision")
        directory = inputs.get("directory")
        if isinstance(directory, str) and self._environments not in Path(directory).parents:
            problems.append(InputProblem("directory", f"must be a path under {self._environments}"))
        if inputs.get("base", "") is not UNKNOWN and not isinstance(inputs.get("base", ""), str):
            problems.append(InputProblem("base", "must be text"))
        return {**inputs, "base": inputs.get("base", "")}, problems

    def diff(self, old: Values, new: Values) -> Difference:
        """Every change is another image."""
        changed = differing(IMAGE_INPUTS, old, new)
        return Difference(changed=changed, replaces=changed)

    def create(self, inputs: Values) -> Created:
        """Build the image."""
        tag = f"slipway/{inputs['environment_id']}/{inputs['name']}:{str(inputs['revision'])[:16]}"
        labels = {ENVIRONMENT_LABEL: str(inputs["environment_id"]), COMPONENT_LABEL: str(inputs["name"])}
        directory = inside(inputs)
        try:
            with tempfile.TemporaryFile() as archive:
                dockerfile = _write_context(archive, directory, str(inputs["name"]), str(inputs["base"]))
                size = archive.tell()
                archive.seek(0)
                self._engine.build(
                    archive,
                    size,
                    BUILD_SECONDS,
                    t=tag,
                    dockerfile=dockerfile,
                    labels=labels,
                    memory=_BUILD_MEMORY,
                    rm="1",
                    forcerm="1",
                )
            return Created(str(self._engine.get(f"/images/{tag}/json")["Id"]), {"tag": tag})
        except DockerError as error:
            raise ResourceFailure(f"{inputs['name']}: the image could not be built: {error.message}") from error
        except OSError as error:
            raise ResourceFailure(f"{inputs['name']}: the files could not be read: {error.strerror}") from error

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that it is gone."""
        try:
            return None if self._engine.get(f"/images/{resource_id}/json") is None else state
        except DockerError as error:
            raise failure(error) from error

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Refuse: an image is never changed."""
        raise ResourceFailure(f"an image is replaced, never changed: {resource_id} {differing(IMAGE_INPUTS, old, new)}")

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove its name, and the image with its last name."""
        name = str(state.get("tag") or resource_id)
        for left in reversed(range(_REMOVALS)):
            try:
                self._engine.remove(f"/images/{name}", force="1")
            except DockerError as error:
                # Images of one build share layers; where another one is removed at this moment, the engine refuses.
                if error.status != http.client.CONFLICT or not left:
                    raise failure(error) from error
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove images of this component that no resource has."""
        known = {resource_id for resource_id, _outputs in kept}
        try:
            for each in self._engine.found("images", f"{ENVIRONMENT_LABEL}={inputs.get('environment_id')}"):
                mine = (each.get("Labels") or {}).get(COMPONENT_LABEL) == inputs.get("name")
                if mine and each["Id"] not in known:
                    self._engine.remove(f"/images/{each['Id']}", force="1")
        except DockerError as error:
            raise failure(error) from error


def _write_context(archive: IO[bytes], directory: Path, name: str, base: str) -> str:
    """Write what an image is built from; return the name of the Dockerfile in it."""
    has_own = (directory / "Dockerfile").is_file()
    if not has_own and not base:
        raise ResourceFailure(
            f"{name}: the repository has no Dockerfile. Add one, name an image in the blueprint (image:), or set"
            " SLIPWAY_DOCKER_BASE_IMAGE, on which the repository's files are put"
        )
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(directory.iterdir()):
            # Links stay links: what they lead to outside is read by nobody here.
            tar.add(path, arcname=path.name, filter=_plain)
        if not has_own:
            text = f"FROM {base}\nWORKDIR /app\nCOPY . /app\n".encode()
            entry = tarfile.TarInfo(_GENERATED)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    archive.seek(0, os.SEEK_END)
    return "Dockerfile" if has_own else _GENERATED


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what is neither file, folder nor link; the owner of files here is nobody there."""
    if not (entry.isfile() or entry.isdir() or entry.issym()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    entry.mtime = 0
    return entry
