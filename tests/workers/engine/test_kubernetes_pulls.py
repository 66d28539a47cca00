"""Images that cannot be pulled: what a registry says decides whether anybody waits, and for how many tries."""

from threading import Event
from typing import Any, cast

import pytest

from catalog.providers.targets.kubernetes_api import KubernetesCluster
from workers.engine.plugin.kubernetes_deployment import PULLS, DeploymentResource
from workers.engine.plugin.resource import ResourceFailure

IMAGE = "registry.example.com/denied/not-found:1"
INPUTS = {
    "environment_id": "e",
    "namespace": "n",
    "name": "web",
    "image": IMAGE,
    "port": 80,
    "env": {},
    "health": {"path": "/"},
    "command": "run",
    "revision": "1",
}
PASSING = (
    f'failed to pull and unpack image "{IMAGE}": unexpected status: 503 Service Unavailable',
    f'Get "https://{IMAGE}": dial tcp: lookup registry.example.com: no such host',
    "net/http: TLS handshake timeout",
    "toomanyrequests: You have reached your pull rate limit",
    "context deadline exceeded",
)
FINAL = (
    f'failed to resolve reference "{IMAGE}": {IMAGE}: not found',
    "manifest unknown: manifest tagged by 1 is not found",
    "failed to authorize: unexpected status: 401 Unauthorized",
    "unexpected status from HEAD request: 403 Forbidden",
    "pull access denied, repository does not exist or may require authorization",
    "no match for platform in manifest",
)


class Cluster:
    """A cluster of one pod that waits for its image; ``asked`` times later it has it, where that is said."""

    def __init__(self, reason: str, message: str, events: list[dict[str, Any]], ready_after: int | None = None) -> None:
        self.waiting = {"reason": reason, "message": message}
        self.events = events
        self.ready_after = ready_after
        self.asked = 0

    def apply(self, path: str, manifest: Any) -> None:
        """Take whatever comes."""

    def get(self, path: str) -> Any:
        del path
        self.asked += 1
        ready = int(self.ready_after is not None and self.asked > self.ready_after)
        status = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": ready, "replicas": 1}
        return {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": status}

    def listed(self, path: str, label: str = "") -> list[dict[str, Any]]:
        del label
        if path.endswith("/events"):
            return self.events
        about = {"name": "web-1", "annotations": {"slipway.dev/revision": "1"}, "creationTimestamp": "1"}
        waits = {"name": "web", "image": IMAGE, "restartCount": 0, "state": {"waiting": self.waiting}}
        return [{"metadata": about, "status": {"containerStatuses": [waits]}}]

    def text(self, path: str, **_: object) -> str:
        del path
        return ""


def failed(message: str, count: int = 1, pod: str = "web-1") -> dict[str, Any]:
    said = f'Failed to pull image "{IMAGE}": {message}'
    about = {"kind": "Pod", "name": pod}
    return {"type": "Warning", "reason": "Failed", "message": said, "count": count, "involvedObject": about}


def deploy(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    monkeypatch.setattr("workers.engine.plugin.kubernetes_deployment.PAUSE_SECONDS", 0.0)
    resource = DeploymentResource(cast("KubernetesCluster", cluster), Event())
    inputs, problems = resource.check(INPUTS)
    assert problems == []
    resource.create(inputs)


@pytest.mark.parametrize("message", PASSING)
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_what_may_pass_is_waited_for(monkeypatch: pytest.MonkeyPatch, reason: str, message: str) -> None:
    events = [failed(message, PULLS - 1), failed("not found", PULLS, pod="another-1")]
    deploy(monkeypatch, Cluster(reason, message, events, ready_after=5))


@pytest.mark.parametrize("message", PASSING)
def test_after_some_tries_it_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    events = [failed(message, PULLS - 1), failed(f"{message} again")]
    with pytest.raises(ResourceFailure, match="ErrImagePull"):
        deploy(monkeypatch, Cluster("ErrImagePull", message, events))


@pytest.mark.parametrize("message", FINAL)
def test_what_cannot_get_better_ends_at_once(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    told = Cluster("ErrImagePull", message, [])
    with pytest.raises(ResourceFailure, match="ErrImagePull"):
        deploy(monkeypatch, told)
    # Some kubelets say in between only that they wait.
    by_event = Cluster("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"', [failed(message)])
    with pytest.raises(ResourceFailure, match="ImagePullBackOff"):
        deploy(monkeypatch, by_event)
    assert (told.asked, by_event.asked) == (1, 1)


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
def test_what_no_registry_is_asked_about_ends_at_once(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    with pytest.raises(ResourceFailure, match=reason):
        deploy(monkeypatch, Cluster(reason, "no", []))
