"""The target `aws`: services of Fargate in a cluster of their own behind a load balancer, through Pulumi's provider."""

import json
from collections.abc import Mapping
from typing import Any

from catalog.providers.targets.cloud_tags import iam_path
from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, Description, Place, Service
from workers.targets.aws_secrets import log_of, secret_of, secrets_of
from workers.targets.aws_seeds import seeds
from workers.targets.aws_servers import servers, told_of
from workers.targets.cloud_sizes import PORT, command_of, needed, smallest, tags, variables
from workers.targets.images import needed_image

SIZES = (("256", 512), ("256", 1024), ("256", 2048), ("512", 4096), ("1024", 8192), ("2048", 16384), ("4096", 30720))
"""Units of processors, and MiB of memory, that go together."""
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}},
    ],
}
_EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"


class AwsPrograms:
    """Tasks in the subnets of one network; services find each other through Service Connect."""

    name = "aws"
    applications = frozenset({"aws:ecs/service:Service", "slipway:cloud:Seed"})
    routes = frozenset({"aws:lb/listener:Listener"})
    keeps_servers = True

    def address(self, service: str) -> Address:
        """Return the name that Service Connect gives a service."""
        return Address(service, str(PORT), f"http://{service}:{PORT}/")

    def server(self, name: str, kind: str, password: str) -> Mapping[str, str]:
        """Return what services are told of a server."""
        return told_of(name, kind, password)

    def public_url(self, service: str, known: str) -> str:
        """Return the address of the load balancer."""
        del service, known
        return "http://${balancer_own.dnsName}/"

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return network rules, balancer, cluster, what databases begin with, and for each service its own."""
        services = [one for each in environment.services for one in _service(environment, each, place)]
        return StackProgram(
            resources=(*_kept(environment, place), *seeds(environment, place), *services),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return everything in which nothing runs; the balancer keeps its address."""
        return StackProgram(resources=_kept(environment, place), parts=environment.parts)


def _kept(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return what stays while an environment sleeps."""
    outside = (*_cluster(environment), *_rules(environment, place), *_entrance(environment, place))
    return (*outside, *servers(environment, place))


def _own(environment: Description, key: str, kind: str, **inputs: Any) -> ProgramResource:
    return ProgramResource(name=f"{key}_own", type=f"aws:{kind}", inputs={**inputs, "tags": tags(environment)})


def _name(environment: Description) -> str:
    return f"slw-{environment.environment_id.hex[:16]}"


def _cluster(environment: Description) -> tuple[ProgramResource, ...]:
    """Return where services run, find each other and write to, and what their tasks may do before they start."""
    name, log = _name(environment), f"/slipway/{environment.environment_id}"
    return (
        _own(environment, "space", "servicediscovery/httpNamespace:HttpNamespace", name=name),
        _own(environment, "cluster", "ecs/cluster:Cluster", name=name),
        _own(environment, "log", "cloudwatch/logGroup:LogGroup", name=log, retentionInDays=14),
        _own(
            environment,
            *("role", "iam/role:Role"),
            # Not as those of before there was a path: one takes the other's place while both are there.
            name=f"{name}-tasks",
            path=iam_path(environment.environment_id),
            assumeRolePolicy=json.dumps(_TRUST),
        ),
        ProgramResource(
            name="rights_own",
            type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            inputs={"role": "${role_own.name}", "policyArn": _EXECUTION},
        ),
    )


def _rules(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return who may talk to whom: everybody to the balancer, the balancer and services to services."""
    anywhere = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
    web = {"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["0.0.0.0/0"]}
    inner = {"protocol": "tcp", "fromPort": 0, "toPort": 65535}
    kind, vpc = "ec2/securityGroup:SecurityGroup", place.settings.aws_vpc
    return (
        _own(
            environment,
            *("edge", kind),
            description="Visitors of the environment",
            vpcId=vpc,
            ingress=[web],
            egress=[anywhere],
        ),
        _own(
            environment,
            *("inside", kind),
            description="Services of the environment",
            vpcId=vpc,
            ingress=[{**inner, "self": True}, {**inner, "securityGroups": ["${edge_own.id}"]}],
            egress=[anywhere],
        ),
    )


def _entrance(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return the balancer, and what it leads to."""
    name = _name(environment)
    # While it sleeps there are no services, and nobody whose health could be asked for.
    public = next((each for each in environment.services if each.name == environment.public), None)
    path = public.probe.path if public is not None and public.probe is not None and public.probe.path else "/"
    return (
        _own(
            environment,
            *("balancer", "lb/loadBalancer:LoadBalancer"),
            name=name,
            loadBalancerType="application",
            internal=False,
            subnets=list(place.settings.aws_subnets),
            securityGroups=["${edge_own.id}"],
        ),
        _own(
            environment,
            *("group", "lb/targetGroup:TargetGroup"),
            name=name,
            port=PORT,
            protocol="HTTP",
            targetType="ip",
            vpcId=place.settings.aws_vpc,
            deregistrationDelay=5,
            healthCheck={"path": path, "matcher": "200-399", "interval": 10, "healthyThreshold": 2},
        ),
        _own(
            environment,
            *("listener", "lb/listener:Listener"),
            loadBalancerArn="${balancer_own.arn}",
            port=80,
            protocol="HTTP",
            defaultActions=[{"type": "forward", "targetGroupArn": "${group_own.arn}"}],
        ),
    )


def _service(environment: Description, service: Service, place: Place) -> tuple[ProgramResource, ...]:
    about, name = tags(environment, service), service.name
    processors, memory = smallest(service, SIZES, "Fargate")
    task = {
        "family": f"slw-{environment.environment_id.hex[:16]}-{name}",
        "cpu": processors,
        "memory": str(memory),
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "${role_own.arn}",
        "containerDefinitions": json.dumps([_container(environment, service, place)]),
        "tags": about,
    }
    return (
        *secret_of(environment, name, name, service.env, about),
        ProgramResource(name=f"task_{name}", type="aws:ecs/taskDefinition:TaskDefinition", inputs=task),
        _running(environment, service, place),
    )


def _running(environment: Description, service: Service, place: Place) -> ProgramResource:
    name = service.name
    inputs: dict[str, Any] = {
        "name": name,
        "cluster": "${cluster_own.arn}",
        "taskDefinition": f"${{task_{name}.arn}}",
        "desiredCount": 1,
        "launchType": "FARGATE",
        "waitForSteadyState": True,
        "deploymentCircuitBreaker": {"enable": True, "rollback": False},
        "networkConfiguration": {
            "subnets": list(place.settings.aws_subnets),
            "securityGroups": ["${inside_own.id}"],
            "assignPublicIp": True,
        },
        "serviceConnectConfiguration": {
            "enabled": True,
            "namespace": "${space_own.arn}",
            "services": [
                {"portName": "http", "discoveryName": name, "clientAlias": [{"port": PORT, "dnsName": name}]},
            ],
        },
        "propagateTags": "SERVICE",
        "enableEcsManagedTags": True,
        "tags": tags(environment, service),
    }
    if name == environment.public:
        inputs["loadBalancers"] = [{"targetGroupArn": "${group_own.arn}", "containerName": name, "containerPort": PORT}]
    rights = ("rights_own", f"rights_{name}", f"values_{name}", "listener_own")
    return ProgramResource(
        name=name, type="aws:ecs/service:Service", inputs=inputs, depends_on=(*rights, *needed(environment, service))
    )


def _container(environment: Description, service: Service, place: Place) -> dict[str, Any]:
    plain = {key: value for key, value in variables(service).items() if key not in service.env}
    made: dict[str, Any] = {
        "name": service.name,
        "image": escaped(needed_image(environment, service, place.settings, "aws")),
        "essential": True,
        "portMappings": [{"name": "http", "containerPort": PORT, "protocol": "tcp"}],
        "environment": [{"name": key, "value": value} for key, value in plain.items()],
        "secrets": secrets_of(service.name, service.env),
        "logConfiguration": log_of(service.name, place),
    }
    if command := command_of(service, "aws"):
        made |= {"entryPoint": command[:2], "command": command[2:]}
    return made


TARGET = AwsPrograms()
