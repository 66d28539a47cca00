"""The steps of filling a database in a cluster, as their shell carries them out beside a stand-in for psql."""

import subprocess
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from catalog.providers.targets.kubernetes_api import KubernetesCluster
from workers.engine.plugin.kubernetes_objects import SHARED
from workers.engine.plugin.kubernetes_seed import KubernetesSeedResource

INPUTS = {
    "environment_id": "e",
    "namespace": "n",
    "database": "db",
    "server_image": "postgres",
    "image": "app",
    "command": "echo fill >> $DONE",
    "env": {},
    "revision": "1",
}


class Cluster:
    """Keeps what is applied, and says that every job has come to a good end."""

    def __init__(self) -> None:
        self.applied: dict[str, Any] = {}

    def apply(self, path: str, manifest: Any) -> None:
        self.applied[path] = manifest

    def get(self, path: str) -> Any:
        return {"status": {"succeeded": 1}} if path in self.applied else None

    def delete(self, path: str) -> None:
        self.applied.pop(path, None)


@pytest.mark.parametrize(
    ("psql", "done", "code"),
    [
        ('case "$*" in *coalesce*) ;; esac', ["fill"], 0),
        ('case "$*" in *coalesce*) echo "slipway: filled";; esac', [], 0),
        ("exit 2", [], 2),
        ('case "$*" in *coalesce*) echo "slipway: filling";; *DROP*) exit 3;; esac', [], 3),
    ],
    ids=["empty", "filled", "unreachable", "half filled and kept"],
)
def test_a_database_is_filled_only_once_it_is_known_to_be_empty(
    tmp_path: Path, psql: str, done: list[str], code: int
) -> None:
    cluster = Cluster()
    KubernetesSeedResource(cast("KubernetesCluster", cluster), Event()).create(INPUTS)
    pod = next(each for path, each in cluster.applied.items() if "/jobs/" in path)["spec"]["template"]["spec"]
    (tmp_path / "psql").write_text(f"#!/bin/sh\n{psql}\n")
    (tmp_path / "psql").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DONE": str(tmp_path / "done"), "PGDATABASE": "app"}
    ended = 0
    for step in (*pod["initContainers"], *pod["containers"]):
        *shell, script = step["command"]
        command = [*shell, script.replace(SHARED, str(tmp_path))]
        # As in a pod, what comes after a step that fails is not begun.
        ended = ended or subprocess.run(command, env={**environment, "PGUSER": "app"}, check=False).returncode
    marks = tmp_path / "done"
    assert (marks.read_text().split() if marks.exists() else [], ended) == (done, code)
