"""The target `kubernetes`: a namespace of a cluster for each environment."""

from datetime import datetime
from uuid import UUID

from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider, TargetUnavailableError
from catalog.providers.targets.kubernetes_api import (
    COMPONENT_LABEL,
    ENVIRONMENT_LABEL,
    KubernetesCluster,
    KubernetesError,
)
from catalog.settings import Settings


class KubernetesTarget:
    """Asks the cluster for namespaces by their label; what is in a namespace goes with it."""

    def __init__(self, settings: Settings) -> None:
        self._cluster = KubernetesCluster(settings.kubeconfig)

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name the namespaces of an environment that are still there."""
        del hostname
        return tuple(f"the namespace {name}" for name in self._namespaces(f"{ENVIRONMENT_LABEL}={environment_id}"))

    def census(self) -> tuple[Found, ...]:
        """Name every namespace that is labelled as an environment's."""
        found = self._namespaces(ENVIRONMENT_LABEL)
        return tuple(Found(f"the namespace {name}", _uuid(label)) for name, label in found.items())

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Remove the namespaces of an environment; the cluster takes a while for what is in them."""
        del hostname
        for name in self._namespaces(f"{ENVIRONMENT_LABEL}={environment_id}"):
            try:
                self._cluster.delete(f"/api/v1/namespaces/{name}")
            except KubernetesError as error:
                raise TargetUnavailableError(error.message) from error

    def forget(self, environment_id: UUID) -> None:
        """Do nothing: logs go with their pods."""

    def last_visit(self, hostname: str) -> datetime | None:
        """Return None: visits go to the cluster's ingress, which does not tell."""
        del hostname
        return None

    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return the end of each component's log, of its newest pod."""
        newest: dict[str, tuple[str, str, str]] = {}
        try:
            for namespace in self._namespaces(f"{ENVIRONMENT_LABEL}={environment_id}"):
                for pod in self._cluster.listed(f"/api/v1/namespaces/{namespace}/pods", COMPONENT_LABEL):
                    about = pod["metadata"]
                    component = about["labels"][COMPONENT_LABEL]
                    found = (about["creationTimestamp"], namespace, about["name"])
                    newest[component] = max(newest.get(component, found), found)
        except KubernetesError as error:
            raise TargetUnavailableError(error.message) from error
        return tuple(
            LogTail(component, self._log(namespace, pod, lines))
            for component, (_made, namespace, pod) in sorted(newest.items())
        )

    def _log(self, namespace: str, pod: str, lines: int) -> tuple[str, ...]:
        try:
            path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
            return tuple(self._cluster.text(path, tailLines=str(lines)).splitlines())
        except KubernetesError as error:
            return (f"(the cluster does not hand this log out: {error.message})",)

    def _namespaces(self, label: str) -> dict[str, str]:
        try:
            found = self._cluster.listed("/api/v1/namespaces", label)
        except KubernetesError as error:
            raise TargetUnavailableError(error.message) from error
        return {each["metadata"]["name"]: each["metadata"]["labels"].get(ENVIRONMENT_LABEL, "") for each in found}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None  # somebody else's label


def _domain(settings: Settings) -> str:
    return settings.kubernetes_domain or settings.preview_domain


def _address(settings: Settings, hostname: str) -> str:
    return settings.kubernetes_url.replace("{host}", hostname)


PROVIDER = TargetProvider(
    "kubernetes", KubernetesTarget, "Kubernetes", _domain, _address, wakes=False, backing=ALL_BACKING, seeds=True
)
