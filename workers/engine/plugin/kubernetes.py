"""`slipway:kubernetes:*`: namespace, deployment and ingress of an environment in a cluster."""

import http.client
import time
from abc import ABC, abstractmethod
from threading import Event
from typing import Any

from catalog.providers.targets.kubernetes_api import (
    COMPONENT_LABEL,
    ENVIRONMENT_LABEL,
    KubernetesCluster,
    KubernetesError,
)
from workers.engine.plugin import kubernetes_objects as objects
from workers.engine.plugin.process import checked_env, checked_health
from workers.engine.plugin.resource import (
    Created,
    Difference,
    InputProblem,
    ResourceFailure,
    Values,
    differing,
    require_text,
    unexpected,
)

NAMESPACE_INPUTS = ("environment_id", "name", "title", "quota", "ingress_namespace")
DEPLOYMENT_INPUTS = (
    *("environment_id", "namespace", "name", "image", "port", "env", "limits", "revision"),
    *("health", "command", "procfile_entry", "root", "directory"),
)
INGRESS_INPUTS = ("environment_id", "namespace", "host", "service", "port", "class_name")
GONE_SECONDS = 240.0
RIGHTS_SECONDS = 10.0
PAUSE_SECONDS = 0.5
EVENTS = 8
RESTARTS = 2
_HOPELESS = frozenset({"InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "ImagePullBackOff"})
LOG_LINES = 20
_ROLES = "/apis/rbac.authorization.k8s.io/v1"


class _Objects(ABC):
    """What the three types of resources have in common: inputs by name, and errors of the cluster as failures."""

    inputs: tuple[str, ...]
    texts: tuple[str, ...]
    fixed: tuple[str, ...]
    secrets: tuple[str, ...] = ()

    def __init__(self, cluster: KubernetesCluster, cancelled: Event) -> None:
        self._cluster = cluster
        self._cancelled = cancelled

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs."""
        return inputs, unexpected(inputs, self.inputs) + require_text(inputs, *self.texts)

    def diff(self, old: Values, new: Values) -> Difference:
        """Objects are changed in place, but for what names them."""
        changed = differing(self.inputs, old, new)
        if old.get("state", "ready") != "ready":
            changed += ("state",)
        return Difference(changed=changed, replaces=differing(self.fixed, old, new))

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Apply the changed objects."""
        del resource_id, old
        return self._applied(new)

    def create(self, inputs: Values) -> Created:
        """Apply the objects."""
        outputs = self._applied(inputs)
        return Created(self._id(inputs), outputs)

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove what an interrupted create may have left, unless another resource has it."""
        try:
            made = self._id(inputs)
        except KeyError:
            return
        if made not in {resource_id for resource_id, _outputs in kept}:
            self.delete(made, inputs)

    @abstractmethod
    def delete(self, resource_id: str, state: Values) -> None:
        """Remove the objects."""

    def _found(self, namespace: str, path: str) -> Any:
        """Return an object of a namespace, None where it is gone, or the namespace is or is going."""
        try:
            return self._cluster.get(path)
        except KubernetesError as error:
            if self._is_going(namespace, error):
                return None
            raise ResourceFailure(error.message) from error

    def _remove(self, namespace: str, *paths: str) -> None:
        """Remove objects of a namespace; what goes with the namespace is removed."""
        try:
            for each in paths:
                self._cluster.delete(each)
        except KubernetesError as error:
            if not self._is_going(namespace, error):
                raise ResourceFailure(error.message) from error

    def _is_going(self, namespace: str, error: KubernetesError) -> bool:
        """Tell whether a refusal means that the namespace is gone: Slipway's rights in it go with it."""
        if error.status != http.client.FORBIDDEN:
            return False
        try:
            found = self._cluster.get(f"/api/v1/namespaces/{namespace}")
        except KubernetesError:
            return False
        return found is None or "deletionTimestamp" in found["metadata"]

    @abstractmethod
    def _id(self, inputs: Values) -> str: ...

    @abstractmethod
    def _applied(self, inputs: Values) -> Values: ...


class NamespaceResource(_Objects):
    """The namespace of an environment with quota, network policy, service account, and Slipway's own rights in it.

    Inputs: `environment_id`, `name`, `title`, `quota` (as in a ResourceQuota), `ingress_namespace` (where the ingress
    controller runs, "" to let nobody in from outside).
    """

    type = "slipway:kubernetes:Namespace"
    inputs = NAMESPACE_INPUTS
    texts = ("environment_id", "name", "title")
    fixed = ("environment_id", "name")

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that it is gone, or going."""
        try:
            found = self._cluster.get(f"/api/v1/namespaces/{resource_id}")
        except KubernetesError as error:
            raise ResourceFailure(error.message) from error
        return None if found is None or found["metadata"].get("deletionTimestamp") else state

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove it with everything in it, and wait until the cluster has done so."""
        del state
        try:
            self._cluster.delete(f"/api/v1/namespaces/{resource_id}")
            self._await_end(resource_id)
        except KubernetesError as error:
            raise ResourceFailure(error.message) from error

    def _await_end(self, name: str) -> None:
        path, deadline = f"/api/v1/namespaces/{name}", time.monotonic() + GONE_SECONDS
        while (found := self._cluster.get(path)) is not None:
            if time.monotonic() > deadline or self._cancelled.is_set():
                raise ResourceFailure(f"the namespace {name} is still being removed: {_holding(found)}")
            time.sleep(PAUSE_SECONDS)

    def _id(self, inputs: Values) -> str:
        return str(inputs["name"])

    def _applied(self, inputs: Values) -> Values:
        name = inputs["name"]
        try:
            found = self._cluster.get(f"/api/v1/namespaces/{name}")
            if found is not None:
                self._require_own(found, inputs)
                if "deletionTimestamp" in found["metadata"]:
                    self._await_end(name)
            self._cluster.apply(f"/api/v1/namespaces/{name}", objects.namespace(inputs))
            self._bind(inputs)
            for path, manifest in objects.furniture(inputs):
                group, _, kind = path.rpartition("/")
                place = f"/{group}/namespaces/{name}/{kind}/{manifest['metadata']['name']}"
                self._soon(place, manifest)
        except KubernetesError as error:
            raise ResourceFailure(f"the namespace {name}: {error.message}") from error
        return {}

    def _soon(self, place: str, manifest: dict[str, Any]) -> None:
        """Apply an object; rights that were given a moment ago are not known to the whole cluster at once."""
        deadline = time.monotonic() + RIGHTS_SECONDS
        while True:
            try:
                self._cluster.apply(place, manifest)
            except KubernetesError as error:
                if error.status != http.client.FORBIDDEN or time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def _require_own(self, found: dict[str, Any], inputs: Values) -> None:
        own = (found["metadata"].get("labels") or {}).get(ENVIRONMENT_LABEL)
        if own != inputs["environment_id"]:
            raise ResourceFailure(f"the namespace {inputs['name']} is there already and is not this environment's")

    def _bind(self, inputs: Values) -> None:
        """Give Slipway's account its rights in the namespace, where they are kept that small."""
        if self._cluster.get(f"{_ROLES}/clusterroles/{objects.ENVIRONMENT_ROLE}") is None:
            return
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        user = self._cluster.make("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        binding = objects.role_binding(inputs, user["status"]["userInfo"]["username"])
        self._cluster.apply(f"{_ROLES}/namespaces/{inputs['name']}/rolebindings/slipway", binding)


class DeploymentResource(_Objects):
    """A service: its variables in a secret, its name, and a deployment that has to become available.

    Inputs: `environment_id`, `namespace`, `name`, `image`, `port`, `env`, `limits`, `revision`, `health`, and
    `command`, or `procfile_entry` with the `directory` of the Procfile and its `root`, or neither for the image's
    own command.
    Output: `state`.
    """

    type = "slipway:kubernetes:Deployment"
    inputs = DEPLOYMENT_INPUTS
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
            self._cluster.apply(path, objects.deployment(inputs))
            self._wait(path, inputs)
        except KubernetesError as error:
            raise ResourceFailure(f"{name}: {_hidden(error.message, inputs)}") from error
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
                raise ResourceFailure(_hidden(f"{name}: {what}.{self._events(inputs)}{self._lines(inputs)}", inputs))
            time.sleep(PAUSE_SECONDS)

    def _hopeless(self, inputs: Values) -> str:
        """Say why the newest pods will not become ready by themselves, "" where they may."""
        for pod in self._pods(inputs):
            for each in (pod.get("status") or {}).get("containerStatuses") or ():
                waiting = (each.get("state") or {}).get("waiting") or {}
                reason = str(waiting.get("reason", ""))
                ended = (each.get("lastState") or {}).get("terminated") or {}
                if reason in _HOPELESS or (reason == "CrashLoopBackOff" and each.get("restartCount", 0) >= RESTARTS):
                    code = f", with code {ended['exitCode']}" if "exitCode" in ended else ""
                    return f"{reason}{code}: {waiting.get('message', '')}"
        return ""

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

    def _lines(self, inputs: Values) -> str:
        pods = self._pods(inputs)
        if not pods:
            return ""
        path = f"/api/v1/namespaces/{inputs['namespace']}/pods/{pods[-1]['metadata']['name']}/log"
        try:
            text = self._cluster.text(path, tailLines=str(LOG_LINES))
        except KubernetesError:
            return ""  # a pod that has not started has no log, which is no news
        return f"\nIts last lines:\n{text}" if text else ""


class IngressResource(_Objects):
    """What leads visitors of a host to a service. Inputs: `namespace`, `host`, `service`, `port`, `class_name`."""

    type = "slipway:kubernetes:Ingress"
    inputs = INGRESS_INPUTS
    texts = ("environment_id", "namespace", "host", "service")
    fixed = ("environment_id", "namespace")

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Return the host that it leads from."""
        found = self._found(resource_id, self._path(resource_id))
        return None if found is None else {**state, "host": found["spec"]["rules"][0]["host"]}

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove it."""
        del state
        self._remove(resource_id, self._path(resource_id))

    def _id(self, inputs: Values) -> str:
        return str(inputs["namespace"])

    def _path(self, namespace: str) -> str:
        return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/public"

    def _applied(self, inputs: Values) -> Values:
        try:
            self._cluster.apply(self._path(inputs["namespace"]), objects.ingress(inputs))
        except KubernetesError as error:
            raise ResourceFailure(error.message) from error
        return {}


def _is_available(found: dict[str, Any]) -> bool:
    """Tell whether the newest pods of a deployment, and no others, are there and ready."""
    wanted, status = found["spec"].get("replicas", 1), found.get("status") or {}
    return bool(
        status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
    )


def _holding(found: dict[str, Any]) -> str:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return " ".join(str(each.get("message", "")) for each in conditions if each.get("status") == "True")[:500]


def _hidden(text: str, inputs: Values) -> str:
    """Values of the environment may be secrets, and an application that fails likes to print them."""
    for value in inputs["env"].values():
        if len(value) > 5:
            text = text.replace(value, "[secret]")
    return text
