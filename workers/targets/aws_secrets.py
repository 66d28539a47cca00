"""What tasks of AWS are told and write: variables in a secret of their own, which their role may read, and a log."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from workers.engine import ProgramResource
from workers.targets import Description, Place


def secret_of(
    environment: Description, key: str, name: str, values: Mapping[str, str], about: Mapping[str, str]
) -> tuple[ProgramResource, ...]:
    """Return the secret of ``name``, what it holds, and who may read it; the names of all three end with ``key``."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"${{secret_{key}.arn}}"}
        ],
    }
    return (
        ProgramResource(
            name=f"secret_{key}",
            type="aws:secretsmanager/secret:Secret",
            inputs={
                "name": f"slipway/{environment.environment_id}/{name}",
                "recoveryWindowInDays": 0,
                "tags": dict(about),
            },
        ),
        ProgramResource(
            name=f"values_{key}",
            type="aws:secretsmanager/secretVersion:SecretVersion",
            inputs={"secretId": f"${{secret_{key}.id}}", "secretString": json.dumps(dict(values) or {"": ""})},
            secret_inputs=("secretString",),
        ),
        ProgramResource(
            name=f"rights_{key}",
            type="aws:iam/rolePolicy:RolePolicy",
            inputs={"role": "${role_own.name}", "policy": json.dumps(policy)},
        ),
    )


def secrets_of(key: str, names: Iterable[str]) -> list[dict[str, str]]:
    """Return how a container takes variables from the secret."""
    return [{"name": each, "valueFrom": f"${{secret_{key}.arn}}:{each}::"} for each in names]


def log_of(prefix: str, place: Place) -> dict[str, Any]:
    """Return where a container writes: a stream that begins with ``prefix``."""
    return {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "${log_own.name}",
            "awslogs-region": place.settings.aws_region,
            "awslogs-stream-prefix": prefix,
        },
    }
