"""What Slipway needs of a cluster's API, by plain HTTP; imports the standard library alone, and YAML when asked.

Who asks and where is read from a kubeconfig file, or is the service account of the pod that this runs in. Credentials
that a kubeconfig has other programs print (`exec`) are refused: they would be run with the worker's rights.
"""

import base64
import http.client
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

MANAGER = "slipway"
ENVIRONMENT_LABEL = "slipway.dev/environment"
COMPONENT_LABEL = "slipway.dev/component"
SECONDS = 30.0
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_CLUSTER = "https://kubernetes.default.svc"


class KubernetesError(Exception):
    """The cluster refused, or did not answer (status 0); the text is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Access:
    """Where a cluster is asked, and as whom."""

    server: str
    tls: ssl.SSLContext | None
    token: str = ""


class KubernetesCluster:
    """One cluster; every method raises `KubernetesError`. `kubeconfig` "" stands for the pod's own service account."""

    def __init__(self, kubeconfig: str) -> None:
        self._kubeconfig = kubeconfig
        self._access: Access | None = None

    def get(self, path: str, **parameters: str) -> Any:
        """Return an object or a list, None where there is none."""
        status, body = self._send("GET", path, parameters)
        return None if status == http.client.NOT_FOUND else json.loads(body)

    def listed(self, path: str, label: str = "") -> list[dict[str, Any]]:
        """Return the objects of a list that have a label."""
        found = self.get(path, **({"labelSelector": label} if label else {}))
        return [] if found is None else list(found["items"])

    def text(self, path: str, **parameters: str) -> str:
        """Return what is no JSON, such as a log; "" where there is none."""
        status, body = self._send("GET", path, parameters)
        return "" if status == http.client.NOT_FOUND else body.decode("utf-8", "replace")

    def apply(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make or change an object so that it has what the manifest says (server-side apply)."""
        parameters = {"fieldManager": MANAGER, "force": "true"}
        status, body = self._send("PATCH", path, parameters, dict(manifest), "application/apply-patch+yaml")
        if status == http.client.NOT_FOUND:
            raise KubernetesError(status, _message(body))
        return dict(json.loads(body))

    def make(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post an object, and return it as it was answered."""
        status, answer = self._send("POST", path, {}, dict(body), "application/json")
        if status == http.client.NOT_FOUND:
            raise KubernetesError(status, _message(answer))
        return dict(json.loads(answer))

    def delete(self, path: str) -> None:
        """Remove an object and what belongs to it; what is gone is removed."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
        self._send("DELETE", path, {}, body, "application/json")

    def _send(
        self, method: str, path: str, parameters: Mapping[str, str], body: Any = None, kind: str = ""
    ) -> tuple[int, bytes]:
        if self._access is None:
            self._access = _access(self._kubeconfig)
        access = self._access
        parts = urlsplit(access.server)
        headers = {"Accept": "application/json, */*"} | ({"Content-Type": kind} if kind else {})
        if access.token:
            headers["Authorization"] = f"Bearer {access.token}"
        target = f"{parts.path.rstrip('/')}{quote(path)}" + (f"?{urlencode(parameters)}" if parameters else "")
        connection = (
            http.client.HTTPSConnection(parts.hostname or "", parts.port or 443, timeout=SECONDS, context=access.tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SECONDS)
        )
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            status, data = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise KubernetesError(0, f"The cluster at {access.server} does not answer: {error}") from error
        finally:
            connection.close()
        if status >= http.client.BAD_REQUEST and status != http.client.NOT_FOUND:
            raise KubernetesError(status, _message(data))
        return status, data


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:500]


def _access(kubeconfig: str) -> Access:
    try:
        return _from_file(Path(kubeconfig)) if kubeconfig else _from_pod()
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        where = kubeconfig or "the service account of this pod"
        reason = f"{type(error).__name__}: {error}"
        raise KubernetesError(0, f"How to reach the cluster cannot be read from {where} ({reason})") from error


def _from_pod() -> Access:
    context = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    return Access(_IN_CLUSTER, context, (_ACCOUNT / "token").read_text("utf-8").strip())


def _from_file(path: Path) -> Access:
    import yaml  # noqa: PLC0415  (not for every operation of other targets)

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ValueError("it is no YAML") from error
    context = _named(document["contexts"], document["current-context"])["context"]
    cluster = _named(document["clusters"], context["cluster"])["cluster"]
    user = _named(document["users"], context["user"])["user"]
    if "exec" in user or "auth-provider" in user:
        raise ValueError("its user gets credentials from another program; give a token or a certificate")
    token = user.get("token") or ""
    if not token and "tokenFile" in user:
        token = Path(user["tokenFile"]).read_text("utf-8").strip()
    server = str(cluster["server"])
    return Access(server, _tls(cluster, user, path.parent) if server.startswith("https:") else None, token)


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _material(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = (_material(user, name, folder) for name in ("client-certificate", "client-key"))
    if certificate and key:
        # The library reads these from files alone.
        with tempfile.NamedTemporaryFile() as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _material(entry: Mapping[str, Any], name: str, folder: Path) -> bytes:
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"])
    return (folder / entry[name]).read_bytes() if name in entry else b""


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(each for each in entries if each["name"] == name)
