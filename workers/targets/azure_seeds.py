"""What databases in Azure begin with: a job of Container Apps, whose last step is its container."""

from typing import Any

from workers.engine import ProgramResource
from workers.targets import Description, Place
from workers.targets.azure_network import WITHIN
from workers.targets.azure_servers import APPS, parts_of
from workers.targets.cloud_seeds import SECONDS, SHARED, Filling, Step, fillings, run, scripts
from workers.targets.cloud_sizes import short_name, tags

_RESOURCES = {"cpu": 0.5, "memory": "1Gi"}


def seeds(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return every filling, with its job and what that takes along."""
    filled = fillings(environment, place, "azure")
    made = (one for each in filled for one in (_job(environment, each, place), _run(environment, each)))
    return (*scripts(environment, place), *made)


def _job(environment: Description, filling: Filling, place: Place) -> ProgramResource:
    names = {variable: f"env-{number}" for number, variable in enumerate(filling.env)}
    *first, last = [_container(each, names) for each in filling.steps]
    inputs = {
        **WITHIN,
        "jobName": short_name(environment, filling.name, 32),
        "environmentId": f"${{{APPS}.id}}",
        "location": place.settings.azure_location,
        "tags": tags(environment, filling.server),
        "configuration": {
            "triggerType": "Manual",
            "replicaTimeout": SECONDS,
            "replicaRetryLimit": 0,
            "manualTriggerConfig": {"parallelism": 1, "replicaCompletionCount": 1},
            "secrets": [{"name": names[key], "value": value} for key, value in filling.env.items()],
        },
        "template": {
            "initContainers": first,
            "containers": [last],
            "volumes": [{"name": "shared", "storageType": "EmptyDir"}],
        },
    }
    return ProgramResource(
        name=f"job_{filling.own}", type="azure-native:app:Job", inputs=inputs, secret_inputs=("configuration",)
    )


def _container(step: Step, names: dict[str, str]) -> dict[str, Any]:
    return {
        "name": step.name,
        "image": step.image,
        "command": ["/bin/sh", "-c", step.script],
        "resources": dict(_RESOURCES),
        "env": [{"name": key, "secretRef": value} for key, value in names.items()],
        "volumeMounts": [{"volumeName": "shared", "mountPath": SHARED}],
    }


def _run(environment: Description, filling: Filling) -> ProgramResource:
    return run(environment, filling, "azure", {"id": f"${{job_{filling.own}.id}}"}, parts_of(filling.server))
