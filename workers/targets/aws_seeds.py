"""What databases in AWS begin with: a task of Fargate that is run once, whose steps wait for one another's good end."""

import json
from typing import Any

from workers.engine import ProgramResource
from workers.targets import Description, Place
from workers.targets.aws_secrets import log_of, secret_of, secrets_of
from workers.targets.cloud_seeds import SHARED, Filling, fillings, run, scripts
from workers.targets.cloud_sizes import tags


def seeds(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return every filling, with its task and what that takes along."""
    filled = fillings(environment, place, "aws")
    return (*scripts(environment, place), *(one for each in filled for one in _filled(environment, each, place)))


def _filled(environment: Description, filling: Filling, place: Place) -> tuple[ProgramResource, ...]:
    about, family = tags(environment, filling.server), f"slw-{environment.environment_id.hex[:16]}-{filling.name}"
    task = {
        "family": family,
        "cpu": "512",
        "memory": "1024",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "${role_own.arn}",
        "volumes": [{"name": "shared"}],
        "containerDefinitions": json.dumps(_containers(filling, place)),
        "tags": about,
    }
    job = {
        "region": place.settings.aws_region,
        "cluster": "${cluster_own.arn}",
        "task": f"${{task_{filling.own}.arn}}",
        "family": family,
        "subnets": list(place.settings.aws_subnets),
        "security_groups": ["${inside_own.id}"],
        "steps": [each.name for each in filling.steps],
        "log_group": "${log_own.name}",
        "log_prefix": filling.name,
    }
    needs = ("rights_own", f"rights_{filling.own}", f"values_{filling.own}")
    return (
        *secret_of(environment, filling.own, filling.name, filling.env, about),
        ProgramResource(name=f"task_{filling.own}", type="aws:ecs/taskDefinition:TaskDefinition", inputs=task),
        run(environment, filling, "aws", job, needs),
    )


def _containers(filling: Filling, place: Place) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for step in filling.steps:
        before = [{"containerName": made[-1]["name"], "condition": "SUCCESS"}] if made else []
        made.append(
            {
                "name": step.name,
                "image": step.image,
                # The task is over once its last step is; those before it may end.
                "essential": step is filling.steps[-1],
                "entryPoint": ["/bin/sh", "-c"],
                "command": [step.script],
                "secrets": secrets_of(filling.own, filling.env),
                "mountPoints": [{"sourceVolume": "shared", "containerPath": SHARED}],
                "logConfiguration": log_of(filling.name, place),
                **({"dependsOn": before} if before else {}),
            }
        )
    return made
