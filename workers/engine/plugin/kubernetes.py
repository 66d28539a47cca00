"""`slipway:kubernetes:*`: namespace and ingress of an environment in a cluster, and what all of its objects share."""

import http.client
import time
from abc import ABC, abstractmethod
from threading import Event
from typing import Any

from catalog.providers.targets.kubernetes_api import ENVIRONMENT_LABEL, KubernetesCluster, KubernetesError
from workers.engine.plugin import kubernetes_objects as objects
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
INGRESS_INPUTS = ("environment_id", "namespace", "host", "service", "port", "class_name")
GONE_SECONDS = 240.0
RIGHTS_SECONDS = 10.0
PAUSE_SECONDS = 0.5
_ROLES = "/apis/rbac.authorization.k8s.io/v1"


class Objects(ABC):
    """What the types of resources have in common: inputs by name, and errors of the cluster as failures."""

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


class NamespaceResource(Objects):
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


class IngressResource(Objects):
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


def _holding(found: dict[str, Any]) -> str:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return " ".join(str(each.get("message", "")) for each in conditions if each.get("status") == "True")[:500]
