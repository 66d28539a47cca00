"""`slipway:kubernetes:Seed`: what a database in a cluster begins with, written once in its life by a job."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from catalog.providers.targets.kubernetes_api import KubernetesError
from workers.engine.plugin import kubernetes_objects as objects
from workers.engine.plugin.applications import without_secrets
from workers.engine.plugin.kubernetes import PAUSE_SECONDS
from workers.engine.plugin.kubernetes_deployment import Workload
from workers.engine.plugin.resource import Difference, InputProblem, ResourceFailure, Values
from workers.engine.plugin.seeding import LONGEST_SECONDS, checked_seed, fill, in_steps, sql_of

INPUTS = (
    *("environment_id", "namespace", "database", "server_image", "directory", "image", "sql", "command", "env"),
    "revision",
)
LARGEST = 700 * 1024
"""A secret holds a mebibyte, and what it is written as is longer by a third."""


class KubernetesSeedResource(Workload):
    """Fills a database from an SQL file, or by a command, unless that was done already.

    Inputs: `environment_id`, `namespace`, `database` (its component), `server_image` (which has the programs of
    PostgreSQL), `env` (which says where it is), `sql` (a file below `directory`, the checkout) or `command`, which runs
    in a container of `image`; `revision`. Semantics as of `slipway:local:Seed`.
    """

    type = "slipway:kubernetes:Seed"
    inputs = INPUTS
    texts = ("environment_id", "namespace", "database", "server_image", "revision")
    fixed = ("environment_id", "namespace", "database")
    secrets: tuple[str, ...] = ("env",)

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs."""
        return checked_seed(inputs, INPUTS, (*self.texts, *(("directory",) if "sql" in inputs else ("image",))))

    def diff(self, old: Values, new: Values) -> Difference:
        """Nothing differs but where it is: a database begins once, whatever later commits bring."""
        changed = tuple(name for name in self.fixed if old.get(name) != new.get(name))
        return Difference(changed=changed, replaces=changed)

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that the job is gone; another one finds the note that lies with the data."""
        namespace, _, name = resource_id.partition("/")
        found = self._found(namespace, f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")
        return None if found is None else state

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove the job, and what it was given; what was written goes with the data."""
        del state
        namespace, _, name = resource_id.partition("/")
        secrets = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        job = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
        self._remove(namespace, job, f"{secrets}-env", f"{secrets}-file")

    def _id(self, inputs: Values) -> str:
        return f"{inputs['namespace']}/{inputs['database']}-seed"

    def _applied(self, inputs: Values) -> Values:
        name = f"{inputs['database']}-seed"
        given = {**inputs, "name": name}
        text = sql_of(inputs, LARGEST) if "sql" in inputs else ""
        work = fill(f"{objects.FILES}/seed.sql") if "sql" in inputs else str(inputs["command"])
        server = str(inputs["server_image"])
        images = {"fill": server if "sql" in inputs else str(inputs["image"])}
        scripts = in_steps(work, objects.SHARED)
        steps = {step: (images.get(step, server), script) for step, script in scripts.items()}
        try:
            with self._held(f"/apis/batch/v1/namespaces/{inputs['namespace']}/jobs/{name}") as job:
                for path, manifest in objects.filling(given, steps, text):
                    group, _, kind = path.rpartition("/")
                    place = f"/{group}/namespaces/{inputs['namespace']}/{kind}/{manifest['metadata']['name']}"
                    self._cluster.apply(place, manifest)
                self._wait(job, given)
        except KubernetesError as error:
            raise ResourceFailure(f"{name}: {without_secrets(error.message, inputs)}") from error
        return {}

    @contextmanager
    def _held(self, job: str) -> Iterator[str]:
        """Remove the job of a try before, and this one where it comes to no good end: it would write on later."""
        self._clear(job)
        try:
            yield job
        except (KubernetesError, ResourceFailure):
            with suppress(KubernetesError):
                self._cluster.delete(job)
            raise

    def _clear(self, job: str) -> None:
        """Remove the job of a try before: jobs are never changed."""
        self._cluster.delete(job)
        self._until(lambda: self._cluster.get(job) is None, lambda: f"{job} is still being removed")

    def _wait(self, job: str, inputs: Values) -> None:
        """Return once the job has come to its end; raise with what it said where that was no good one, or never is."""
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update((self._cluster.get(job) or {}).get("status") or {})
            if found.get("succeeded") or found.get("failed"):
                return True
            if hopeless := self._hopeless(inputs):
                raise ResourceFailure(without_secrets(f"{inputs['name']}: {hopeless}.{self._events(inputs)}", inputs))
            return False

        self._until(is_over, lambda: f"{inputs['name']}: not done in time.{self._events(inputs)}")
        if not found.get("succeeded"):
            said = "".join(self._lines(inputs, step) for step in ("begin", "fill", "end"))
            what = f"{inputs['name']}: what the database begins with did not come to a good end"
            raise ResourceFailure(without_secrets(f"{what}.{self._events(inputs)}{said}", inputs))

    def _until(self, holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not holds():
            if self._cancelled.is_set():
                raise ResourceFailure("the operation was cancelled while a database was filled")
            if time.monotonic() > deadline:
                raise ResourceFailure(otherwise())
            time.sleep(PAUSE_SECONDS)
