"""The objects that an environment consists of in a cluster, as manifests: data in, data out."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from catalog.providers.targets.kubernetes_api import COMPONENT_LABEL, ENVIRONMENT_LABEL
from workers.engine.plugin.applications import started_by
from workers.engine.plugin.resource import Values

ACCOUNT = "application"
ENVIRONMENT_ROLE = "slipway-environment"
SHARED = "/slipway"
FILES = "/slipway-files"
_TIMES = ("timeout_seconds", "running_seconds")
_POD_SECURITY = "pod-security.kubernetes.io"


def labels(inputs: Values) -> dict[str, str]:
    """Return the labels of every object of an environment."""
    found = {ENVIRONMENT_LABEL: str(inputs["environment_id"]), "app.kubernetes.io/managed-by": "slipway"}
    if "namespace" not in inputs:
        return found  # the namespace itself, and what all components share
    return {**found, COMPONENT_LABEL: str(inputs["service"] if "service" in inputs else inputs["name"])}


def _object(api: str, kind: str, name: str, about: dict[str, str], **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": about}, **rest}


def namespace(inputs: Values) -> dict[str, Any]:
    """Return the namespace, in which only pods run that ask for nothing special."""
    levels = {f"{_POD_SECURITY}/{mode}": "baseline" for mode in ("enforce", "warn")}
    made = _object("v1", "Namespace", inputs["name"], {**labels(inputs), **levels})
    made["metadata"]["annotations"] = {"slipway.dev/name": str(inputs["title"])}
    return made


def furniture(inputs: Values) -> list[tuple[str, dict[str, Any]]]:
    """Return what a namespace has before anything runs in it, each with its path below the namespace."""
    about = labels(inputs)
    own: dict[str, Any] = {"podSelector": {}}
    ingress_controller = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": inputs["ingress_namespace"]}}
    }
    sources: list[dict[str, Any]] = [own, *([ingress_controller] if inputs["ingress_namespace"] else [])]
    # Names are asked for anywhere; of the rest, only addresses outside private networks are reached.
    outside = {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]}
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    policy = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": sources}],
        "egress": [{"to": [own]}, {"ports": ports}, {"to": [{"ipBlock": outside}]}],
    }
    account = _object("v1", "ServiceAccount", ACCOUNT, about, automountServiceAccountToken=False)
    return [
        ("api/v1/resourcequotas", _object("v1", "ResourceQuota", "environment", about, spec={"hard": inputs["quota"]})),
        ("api/v1/serviceaccounts", account),
        (
            "apis/networking.k8s.io/v1/networkpolicies",
            _object("networking.k8s.io/v1", "NetworkPolicy", "environment", about, spec=policy),
        ),
    ]


def role_binding(inputs: Values, user: str) -> dict[str, Any]:
    """Return what gives Slipway its rights in the namespace, and in no other."""
    api = "rbac.authorization.k8s.io"
    return _object(
        f"{api}/v1",
        "RoleBinding",
        "slipway",
        labels(inputs),
        roleRef={"apiGroup": api, "kind": "ClusterRole", "name": ENVIRONMENT_ROLE},
        subjects=[{"apiGroup": api, "kind": "User", "name": user}],
    )


def secret(inputs: Values) -> dict[str, Any]:
    """Return the variables of a service, which stand in no other object."""
    return _secret(inputs, "env", inputs["env"])


def _secret(inputs: Values, ending: str, texts: Mapping[str, str]) -> dict[str, Any]:
    values = {key: base64.b64encode(value.encode()).decode("ascii") for key, value in texts.items()}
    return _object("v1", "Secret", f"{inputs['name']}-{ending}", labels(inputs), type="Opaque", data=values)


def service(inputs: Values) -> dict[str, Any]:
    """Return the name by which others of the namespace find a service."""
    spec = {
        "selector": {COMPONENT_LABEL: inputs["name"]},
        "ports": [{"name": "http", "port": inputs["port"], "targetPort": inputs["port"], "protocol": "TCP"}],
    }
    return _object("v1", "Service", inputs["name"], labels(inputs), spec=spec)


def deployment(inputs: Values) -> dict[str, Any]:
    """Return the deployment of a service; other variables make other pods, though they stand elsewhere."""
    about = labels(inputs)
    digest = hashlib.sha256(json.dumps(inputs["env"], sort_keys=True).encode()).hexdigest()
    pod: dict[str, Any] = {
        "metadata": {
            "labels": about,
            "annotations": {"slipway.dev/env-digest": digest, "slipway.dev/revision": str(inputs["revision"])},
        },
        "spec": {
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(inputs)],
        },
    }
    rolling: dict[str, Any] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    if inputs.get("data"):
        # Two servers over the same data would harm each other.
        rolling = {"type": "Recreate"}
        pod["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": f"{inputs['name']}-data"}}]
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {COMPONENT_LABEL: inputs["name"]}},
        "minReadySeconds": int(inputs["health"]["running_seconds"]),
        "strategy": rolling,
        "progressDeadlineSeconds": max(10, *(int(inputs["health"][each]) + 5 for each in _TIMES)),
        "revisionHistoryLimit": 1,
        "template": pod,
    }
    return _object("apps/v1", "Deployment", inputs["name"], about, spec=spec)


def claim(inputs: Values) -> dict[str, Any]:
    """Return the claim to storage of a server's data."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{inputs['storage_gb']}Gi"}},
    }
    if inputs.get("storage_class"):
        spec["storageClassName"] = inputs["storage_class"]
    return _object("v1", "PersistentVolumeClaim", f"{inputs['name']}-data", labels(inputs), spec=spec)


def filling(inputs: Values, steps: Mapping[str, tuple[str, str]], text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what fills a database: a job of ``steps`` (image and script, by name), with its variables and a file.

    Each with its path in the namespace. The steps come one after the other and share a folder.
    """
    about, name = labels(inputs), inputs["name"]
    limits = {"memory": "512Mi", "ephemeral-storage": "2Gi"}
    containers = [
        {
            "name": step,
            "image": image,
            "command": ["/bin/sh", "-c", script],
            "envFrom": [{"secretRef": {"name": f"{name}-env"}}],
            "resources": {"limits": limits, "requests": {"cpu": "50m", "memory": "512Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["NET_RAW", "MKNOD"]}},
            "volumeMounts": [
                {"name": "shared", "mountPath": SHARED},
                {"name": "file", "mountPath": FILES, "readOnly": True},
            ],
        }
        for step, (image, script) in steps.items()
    ]
    pod = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": containers[:-1],
        "containers": containers[-1:],
        "volumes": [{"name": "shared", "emptyDir": {}}, {"name": "file", "secret": {"secretName": f"{name}-file"}}],
    }
    about_pods = {"labels": about, "annotations": {"slipway.dev/revision": str(inputs["revision"])}}
    job = {"backoffLimit": 0, "activeDeadlineSeconds": 600, "template": {"metadata": about_pods, "spec": pod}}
    return [
        ("api/v1/secrets", secret(inputs)),
        ("api/v1/secrets", _secret(inputs, "file", {"seed.sql": text})),
        ("apis/batch/v1/jobs", _object("batch/v1", "Job", name, about, spec=job)),
    ]


def _container(inputs: Values) -> dict[str, Any]:
    health, port = inputs["health"], inputs["port"]
    check = _probe(health, port)
    memory = f"{inputs['limits'].get('memory_mb', 1024)}Mi"
    limits = {"memory": memory, "ephemeral-storage": "2Gi"}
    if "cpus" in inputs["limits"]:
        limits["cpu"] = f"{int(inputs['limits']['cpus'] * 1000)}m"
    made: dict[str, Any] = {
        "name": inputs["name"],
        "image": inputs["image"],
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "env": [{"name": "PORT", "value": str(port)}, {"name": "HOST", "value": "0.0.0.0"}],  # noqa: S104  # in the pod
        "envFrom": [{"secretRef": {"name": f"{inputs['name']}-env"}}],
        "resources": {"limits": limits, "requests": {"cpu": "50m", "memory": memory}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["NET_RAW", "MKNOD"]}},
    }
    if inputs.get("data"):
        made["volumeMounts"] = [{"name": "data", "mountPath": inputs["data"]}]
    if check:
        made["readinessProbe"] = {**check, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 3}
    if "command" in inputs or "procfile_entry" in inputs:
        made["command"] = ["/bin/sh", "-c", started_by(inputs)]
    return made


def _probe(health: Values, port: int) -> dict[str, Any]:
    """Return how readiness is found out; nothing where running for some time is enough."""
    if health["running_seconds"]:
        return {}
    if health["command"]:
        return {"exec": {"command": ["/bin/sh", "-c", health["command"]]}}
    return {"httpGet": {"path": health["path"], "port": port}} if health["path"] else {"tcpSocket": {"port": port}}


def ingress(inputs: Values) -> dict[str, Any]:
    """Return what leads visitors of a host to a service."""
    backend = {"service": {"name": inputs["service"], "port": {"number": inputs["port"]}}}
    spec: dict[str, Any] = {
        "rules": [
            {"host": inputs["host"], "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        ]
    }
    if inputs["class_name"]:
        spec["ingressClassName"] = inputs["class_name"]
    return _object("networking.k8s.io/v1", "Ingress", "public", labels(inputs), spec=spec)
