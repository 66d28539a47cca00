"""`slipway:kubernetes:Deployment`: a service, or a server behind services, that has to become available."""

import re
import time
from typing import Any

from catalog.providers.targets.kubernetes_api import COMPONENT_LABEL, KubernetesError
from workers.engine.plugin import kubernetes_objects as objects
from workers.engine.plugin.applications import LOG_LINES, checked_env, checked_health, without_secrets
from workers.engine.plugin.kubernetes import PAUSE_SECONDS, Objects
from workers.engine.plugin.resource import InputProblem, ResourceFailure, Values

INPUTS = (
    *("environment_id", "namespace", "name", "image", "port", "env", "limits", "revision"),
    *("health", "command", "procfile_entry", "root", "directory", "data", "storage_gb", "storage_class"),
)
EVENTS = 8
RESTARTS = 2
PULLS = 3
"""How often an image is pulled in vain, for reasons that may pass, before nobody waits for it any longer."""
_HOPELESS = frozenset(
    {
        *("InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("CreateContainerConfigError", "CreateContainerError"),
    }
)
"""Why the kubelet lets containers wait (`state.waiting.reason`) where time alone helps nothing."""
_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The same where that depends on what the registry said."""
_FINAL = re.compile(
    r"not found|manifest unknown|does not exist|invalid reference|no match for platform"
    r"|unauthorized|authorization failed|authentication required|denied|forbidden",
    re.IGNORECASE,
)
"""What registries say where the same answer follows: no such image, no right to it, or no name of an image."""


class Workload(Objects):
    """What runs pods of a component, and what the cluster says of them."""

    def _hopeless(self, inputs: Values) -> str:
        """Say why the newest pods will not become ready by themselves, "" where they may."""
        for pod in self._pods(inputs):
            status = pod.get("status") or {}
            for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
                waiting = (each.get("state") or {}).get("waiting") or {}
                reason = str(waiting.get("reason", ""))
                ended = (each.get("lastState") or {}).get("terminated") or {}
                restarts = each.get("restartCount", 0)
                is_hopeless = reason in _HOPELESS or (reason == "CrashLoopBackOff" and restarts >= RESTARTS)
                if is_hopeless or (reason in _PULLING and self._pulled_in_vain(inputs, pod, each, waiting)):
                    code = f", with code {ended['exitCode']}" if "exitCode" in ended else ""
                    return f"{reason}{code}: {waiting.get('message', '')}"
        return ""

    def _pulled_in_vain(
        self, inputs: Values, pod: dict[str, Any], container: dict[str, Any], waiting: dict[str, Any]
    ) -> bool:
        """Tell whether pulling an image again will not help: by what the registry said, or how often it was tried.

        While the kubelet waits for its next try, some of them no longer say why the last one failed; events do.
        """
        image = str(container.get("image", ""))

        def is_final(said: object) -> bool:
            return _FINAL.search(str(said or "").replace(image, "") if image else str(said or "")) is not None

        if is_final(waiting.get("message")):
            return True
        failed = [
            each
            for each in self._cluster.listed(f"/api/v1/namespaces/{inputs['namespace']}/events")
            if each.get("reason") == "Failed"
            and str(each["involvedObject"].get("name", "")) == pod["metadata"]["name"]
            and str(each.get("message", "")).startswith(f'Failed to pull image "{image}"')
        ]
        tries = sum(max(each.get("count") or 1, (each.get("series") or {}).get("count") or 1) for each in failed)
        return tries >= PULLS or any(is_final(each.get("message")) for each in failed)

    def _pods(self, inputs: Values) -> list[dict[str, Any]]:
        found = self._cluster.listed(
            f"/api/v1/namespaces/{inputs['namespace']}/pods", f"{COMPONENT_LABEL}={inputs['name']}"
        )
        newest = [
            each
            for each in found
            if (each["metadata"].get("annotations") or {}).get("slipway.dev/revision") == inputs["revision"]
            and not each["metadata"].get("deletionTimestamp")
        ]
        return sorted(newest, key=lambda each: str(each["metadata"]["creationTimestamp"]))

    def _events(self, inputs: Values) -> str:
        """Return the last warnings about the service's objects."""
        found = self._cluster.listed(f"/api/v1/namespaces/{inputs['namespace']}/events")
        mine = [
            each
            for each in found
            if each.get("type") == "Warning" and str(each["involvedObject"].get("name", "")).startswith(inputs["name"])
        ]
        mine.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))
        told = list(dict.fromkeys(f"{each.get('reason')}: {each.get('message')}" for each in mine))
        return "".join(f"\n{each}" for each in told[-EVENTS:])

    def _lines(self, inputs: Values, container: str = "") -> str:
        pods = self._pods(inputs)
        if not pods:
            return ""
        path = f"/api/v1/namespaces/{inputs['namespace']}/pods/{pods[-1]['metadata']['name']}/log"
        wanted = {"container": container} if container else {}
        try:
            text = self._cluster.text(path, tailLines=str(LOG_LINES), **wanted)
        except KubernetesError:
            return ""  # a pod that has not started has no log, which is no news
        return f"\nIts last lines:\n{text}" if text else ""


class DeploymentResource(Workload):
    """A service: its variables in a secret, its name, and a deployment that has to become available.

    Inputs: `environment_id`, `namespace`, `name`, `image`, `port`, `env`, `limits`, `revision`, `health`, and
    `command`, or `procfile_entry` with the `directory` of the Procfile and its `root`, or neither for the image's
    own command. With `data`, a path, what it keeps there lies in a claim of `storage_gb` (and `storage_class`, "" for
    the cluster's own) that stays without it and goes with the namespace; then its old pod goes before the new comes.
    Output: `state`.
    """

    type = "slipway:kubernetes:Deployment"
    inputs = INPUTS
    texts = ("environment_id", "namespace", "name", "image", "revision")
    fixed = ("environment_id", "namespace", "name")
    secrets: tuple[str, ...] = ("env",)

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Fill in the defaults of `env`, `limits` and `health`; check everything."""
        inputs, problems = super().check(inputs)
        env, unfit = checked_env(inputs.get("env", {}))
        health, wrong = checked_health(inputs.get("health", {}))
        return {**inputs, "env": env, "limits": inputs.get("limits", {}), "health": health}, problems + unfit + wrong

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that it is gone, or not available."""
        namespace, _, name = resource_id.partition("/")
        found = self._found(namespace, f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
        return None if found is None else {**state, "state": "ready" if _is_available(found) else "unavailable"}

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove deployment, name and variables."""
        del state
        namespace, _, name = resource_id.partition("/")
        self._remove(
            namespace,
            f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
            f"/api/v1/namespaces/{namespace}/services/{name}",
            f"/api/v1/namespaces/{namespace}/secrets/{name}-env",
        )

    def _id(self, inputs: Values) -> str:
        return f"{inputs['namespace']}/{inputs['name']}"

    def _applied(self, inputs: Values) -> Values:
        namespace, name = inputs["namespace"], inputs["name"]
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        try:
            self._cluster.apply(f"/api/v1/namespaces/{namespace}/secrets/{name}-env", objects.secret(inputs))
            self._cluster.apply(f"/api/v1/namespaces/{namespace}/services/{name}", objects.service(inputs))
            if inputs.get("data"):
                claim = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}-data"
                self._cluster.apply(claim, objects.claim(inputs))
            self._cluster.apply(path, objects.deployment(inputs))
            self._wait(path, inputs)
        except KubernetesError as error:
            raise ResourceFailure(f"{name}: {without_secrets(error.message, inputs)}") from error
        return {"state": "ready"}

    def _wait(self, path: str, inputs: Values) -> None:
        """Return once the newest pods are ready; raise with what the cluster says of them otherwise."""
        seconds, name = inputs["health"]["timeout_seconds"], inputs["name"]
        deadline = time.monotonic() + seconds
        while True:
            if self._cancelled.is_set():
                raise ResourceFailure(f"{name}: the operation was cancelled while waiting for the application")
            found = self._cluster.get(path)
            if found is not None and _is_available(found):
                return
            hopeless = self._hopeless(inputs)
            if hopeless or time.monotonic() > deadline:
                what = hopeless or f"not ready after {seconds} s"
                raise ResourceFailure(
                    without_secrets(f"{name}: {what}.{self._events(inputs)}{self._lines(inputs)}", inputs)
                )
            time.sleep(PAUSE_SECONDS)


def _is_available(found: dict[str, Any]) -> bool:
    """Tell whether the newest pods of a deployment, and no others, are there and ready."""
    wanted, status = found["spec"].get("replicas", 1), found.get("status") or {}
    return bool(
        status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
    )
