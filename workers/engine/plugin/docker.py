"""`slipway:docker:Network` and `slipway:docker:Image`: what containers of an environment need beforehand."""

import hashlib
import http.client
import io
import json
import os
import tarfile
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import IO

from catalog.providers.targets.docker_api import ENVIRONMENT_LABEL, DockerEngine, DockerError
from workers.engine.plugin.applications import inside
from workers.engine.plugin.docker_objects import EngineObject, labels, told
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


class NetworkResource(EngineObject):
    """The network of one environment, and with it the volumes of its data: both live as long as the environment.

    Inputs: `environment_id`.
    """

    type = "slipway:docker:Network"
    kind = "networks"
    noun = "network"
    inputs = NETWORK_INPUTS

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check the one input."""
        return inputs, unexpected(inputs, NETWORK_INPUTS) + require_text(inputs, *NETWORK_INPUTS)

    def diff(self, old: Values, new: Values) -> Difference:
        """Another environment has another network."""
        changed = differing(NETWORK_INPUTS, old, new)
        return Difference(changed=changed, replaces=changed)

    def create(self, inputs: Values) -> Created:
        """Make the network."""
        body = {"Name": f"slipway-{inputs['environment_id']}", "CheckDuplicate": True, "Labels": labels(inputs)}
        with told():
            return Created(str(self._engine.make("/networks/create", body)["Id"]))

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove the volumes that containers have left, and the network."""
        with told():
            for each in self._engine.found("volumes", f"{ENVIRONMENT_LABEL}={state.get('environment_id')}"):
                self._engine.remove(f"/volumes/{each['Name']}", force="1")
        super().delete(resource_id, state)


class ImageResource(EngineObject):
    """An image built from a checkout: from its `Dockerfile`, or its files on top of `base` where it has none.

    Inputs: `environment_id`, `name` (of the component), `directory`, `root` (out of which it may not lead),
    `revision` and `base` ("" where there is none). The id is the image's digest, so that a container names exactly
    what was built. It is called after the digest of what it is built from, and not built again while it is there.
    """

    type = "slipway:docker:Image"
    kind = "images"
    noun = "image"
    inputs = IMAGE_INPUTS

    def __init__(self, engine: DockerEngine, cancelled: Event, environments: Path) -> None:
        super().__init__(engine)
        self._cancelled = cancelled
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
        """Every change of what it is built from is another image."""
        changed = differing(IMAGE_INPUTS, old, new)
        if UNKNOWN not in new.values() and _tag(old) == _tag(new):
            changed = ()
        return Difference(changed=changed, replaces=changed)

    def create(self, inputs: Values) -> Created:
        """Build the image, unless it is there."""
        tag = _tag(inputs)
        try:
            found = self._engine.get(f"/images/{tag}/json")
            if found is None:
                self._build(inputs, tag)
                found = self._engine.get(f"/images/{tag}/json")
            return Created(str(found["Id"]), {"tag": tag})
        except DockerError as error:
            raise ResourceFailure(f"{inputs['name']}: the image could not be built: {error.message}") from error
        except OSError as error:
            raise ResourceFailure(f"{inputs['name']}: the files could not be read: {error.strerror}") from error

    def _build(self, inputs: Values, tag: str) -> None:
        directory = inside(inputs)
        with tempfile.TemporaryFile() as archive:
            dockerfile = _write_context(archive, directory, str(inputs["name"]), str(inputs["base"]))
            size = archive.tell()
            archive.seek(0)
            about = {"t": tag, "dockerfile": dockerfile, "labels": labels(inputs)}
            always = {"rm": "1", "forcerm": "1"}
            stop = self._cancelled
            self._engine.build(archive, size, BUILD_SECONDS, stop, **about, **always, memory=_BUILD_MEMORY)

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove its name, and the image with its last name."""
        name = str(state.get("tag") or resource_id)
        for left in reversed(range(_REMOVALS)):
            try:
                self._engine.remove(f"/images/{name}", force="1")
            except DockerError as error:
                # Images of one build share layers; where another one is removed at this moment, the engine refuses.
                if error.status != http.client.CONFLICT or not left:
                    raise ResourceFailure(error.message) from error
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _discard(self, found: str) -> None:
        self._engine.remove(f"/images/{found}", force="1")


def _tag(inputs: Values) -> str:
    """Return the name of what is built from these inputs, wherever the files lie."""
    folder = os.path.relpath(str(inputs["directory"]), str(inputs["root"]))
    built_from = json.dumps([inputs["revision"], folder, inputs["base"]])
    digest = hashlib.sha256(built_from.encode()).hexdigest()
    return f"slipway/{inputs['environment_id']}/{inputs['name']}:{digest[:32]}"


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
