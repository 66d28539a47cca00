"""The curated component packages, for every cloud: the graph, the tags, the defaults, and what policies say of them.

Pulumi's mocks answer in place of engine and clouds, so a program's whole graph of resources is there, with the inputs
that the engine would get.
"""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pulumi
import pytest
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.runtime import mocks

from tests.blueprints import opa
from tests.blueprints.shared_files import BLUEPRINTS
from tests.pulumi_mocks import run_mocked

COMPONENTS = BLUEPRINTS / "components"
WHOSE = {"tenant": "acme", "environment": "shop-production", "owner": "Team Payments"}
ALARM = {"name": "slow", "namespace": "AWS/RDS", "metric": "ReadLatency", "threshold": 0.5}
ALERT = {"name": "busy", "resource_id": "/db", "namespace": "Microsoft.DBforPostgreSQL/flexibleServers"}
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "AwsNetwork": {"region": "eu-central-1", "zones": ["eu-central-1a", "eu-central-1b"]},
    "AzureNetwork": {"resource_group": "shop", "location": "westeurope", "flow_log_storage_id": "/flow"},
    "GcpNetwork": {"region": "europe-west3"},
    "AwsData": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"], "client_cidrs": ["10.0.0.0/16"]},
    "AzureData": {
        "resource_group": "shop",
        "location": "westeurope",
        "network_id": "/network",
        "database_subnet_id": "/network/database",
        "endpoint_subnet_id": "/network/endpoint",
        "entra_tenant_id": "directory",
        "administrator_id": "group",
        "administrator_name": "shop-administrators",
    },
    "GcpData": {"region": "europe-west3", "network_id": "projects/shop/global/networks/shop"},
    "AwsObservability": {"region": "eu-central-1", "emails": ["on-call@example.com"], "alarms": [ALARM]},
    "AzureObservability": {
        "resource_group": "shop",
        "location": "westeurope",
        "emails": ["on-call@example.com"],
        "alerts": [{**ALERT, "metric": "cpu_percent", "threshold": 80}],
    },
    "GcpObservability": {
        "project": "shop",
        "location": "europe-west3",
        "emails": ["on-call@example.com"],
        "alerts": [{"name": "busy", "filter": 'metric.type = "cpu"', "threshold": 0.8}],
    },
}
each_component = pytest.mark.parametrize("name", ARGUMENTS)


@dataclass(frozen=True)
class Made:
    """One resource that a component made, with the inputs that the engine would get."""

    type: str
    name: str
    inputs: Mapping[str, Any]


@dataclass
class Clouds(mocks.Mocks):
    """Stands for the engine and every cloud: each resource becomes what it was asked to be, and has an id."""

    made: list[Made] = field(default_factory=list)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(Made(args.typ, args.name, args.inputs))
        known = {"arn": f"arn:{args.name}", "name": args.name, "prometheusEndpoint": "https://metrics.example.com/"}
        return f"{args.name}-id", {**known, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"{args.token} asks a cloud while the graph is made.")


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    """Make the packages importable from their sources, as an installed wheel would."""
    sources = [str(path) for path in COMPONENTS.glob("*/content/src")]
    sys.path[:0] = sources
    yield
    for source in sources:
        sys.path.remove(source)


def component(name: str) -> Any:
    package = {"Network": "network", "Data": "data", "Observability": "observability"}[_without_cloud(name)]
    return getattr(importlib.import_module(f"slipway_component_{package}"), name)


def make(name: str, **more: Any) -> tuple[list[Made], Mapping[str, Any]]:
    """Make a component with the least arguments and ``more``; return what was made, and its outputs' values."""
    return _make(name, more) if more else _plain(name)


@cache
def _plain(name: str) -> tuple[list[Made], Mapping[str, Any]]:
    return _make(name, {})


def _make(name: str, more: Mapping[str, Any]) -> tuple[list[Made], Mapping[str, Any]]:
    clouds = Clouds()
    outputs: dict[str, Any] = {}

    def program() -> pulumi.Output[None]:
        kind = component(name)
        made = kind("shop", {**WHOSE, **ARGUMENTS[name], **more})
        said = {output: getattr(made, output) for output in kind.__annotations__}
        return pulumi.Output.all(**said).apply(outputs.update)

    run_mocked(clouds, program)
    return clouds.made, outputs


@each_component
def test_it_makes_resources_of_its_cloud_alone(name: str) -> None:
    made, _ = make(name)
    clouds = {each.type.partition(":")[0] for each in made if not each.type.startswith("slipway-")}
    assert clouds == {{"Aws": "aws", "Azure": "azure-native", "Gcp": "gcp"}[name.removesuffix(_without_cloud(name))]}
    assert len({(each.type, each.name) for each in made}) == len(made)


@each_component
def test_everything_says_whose_it_is(name: str) -> None:
    made, _ = make(name, tags={"cost-center": "42"})
    tagged = [each for each in made if _tags(each)]
    assert tagged
    for each in tagged:
        tags = _tags(each)
        assert tags["slipway-tenant"] == "acme"
        assert tags["slipway-environment"] == "shop-production"
        assert tags["slipway-owner"] in {"Team Payments", "team-payments"}
        assert tags["slipway-component"] == _without_cloud(name).lower()
        assert tags["cost-center"] == "42"
    taggable = {each.type for each in made if "tags" in each.inputs or "labels" in each.inputs}
    assert {each.type for each in made if each.type in taggable and not _tags(each)} <= {
        "gcp:monitoring/notificationChannel:NotificationChannel"
    }


@each_component
def test_it_names_what_is_missing(name: str) -> None:
    needed = {**WHOSE, **{key: value for key, value in ARGUMENTS[name].items() if key not in {"alarms", "alerts"}}}
    for argument in needed:
        with pytest.raises(ValueError, match=argument):
            make(name, **{argument: None})


@each_component
def test_the_schema_of_its_package_can_be_inferred(name: str) -> None:
    analysis = Analyzer("slipway").analyze([component(name)])
    (definition,) = analysis["component_definitions"].values()
    assert definition.name == name
    assert definition.description
    required = {key for key, each in definition.inputs.items() if not each.optional}
    assert required == {_camel(key) for key in {*WHOSE, *ARGUMENTS[name]} - {"alarms", "alerts"}}
    assert all(each.description for each in (*definition.inputs.values(), *definition.outputs.values()))


@pytest.mark.parametrize("cloud", ["Aws", "Azure", "Gcp"])
def test_policies_have_nothing_to_say_about_the_resources(cloud: str) -> None:
    """The bundles of all regimes, asked about a plan with all three components."""
    resources = [
        {"type": each.type, "name": each.name, "inputs": each.inputs}
        for kind in ("Network", "Data", "Observability")
        for each in make(f"{cloud}{kind}")[0]
    ]
    bundles = sorted(path.parent for path in (BLUEPRINTS / "policies").glob("*/asset.yaml"))
    asked = ", ".join(f'"{bundle.name}": data.{bundle.name}.deny' for bundle in bundles)
    loaded = [each for bundle in bundles for each in ("-d", str(bundle / "content"))]
    plan = json.dumps({"plan": {"resources": resources}})
    answer = opa.run("eval", "--format", "raw", *loaded, "--stdin-input", f"{{{asked}}}", document=plan)
    said = [each for denied in answer.values() for each in denied if each["path"].startswith("/plan")]
    assert said == []


def test_the_network_on_aws_reaches_over_its_zones() -> None:
    made, network = make("AwsNetwork", nat="per-zone", endpoints=["ecr.api", "secretsmanager"])
    count = _counter(made)
    assert count("aws:ec2/subnet:Subnet") == 4
    assert count("aws:ec2/natGateway:NatGateway") == 2
    assert count("aws:ec2/vpcEndpoint:VpcEndpoint") == 3
    blocks = [each.inputs["cidrBlock"] for each in made if each.type == "aws:ec2/subnet:Subnet"]
    assert sorted(blocks) == ["10.0.0.0/18", "10.0.128.0/18", "10.0.192.0/18", "10.0.64.0/18"]
    assert not any(each.inputs.get("mapPublicIpOnLaunch") for each in made)
    (default,) = [each for each in made if "DefaultSecurityGroup" in each.type]
    assert default.inputs["ingress"] == default.inputs["egress"] == []
    assert network["private_subnet_ids"] == ["shop-private-eu-central-1a-id", "shop-private-eu-central-1b-id"]


@pytest.mark.parametrize(("nat", "gateways", "routes"), [("none", 0, 1), ("single", 1, 3), ("per-zone", 2, 3)])
def test_the_way_out_of_aws_costs_what_was_chosen(nat: str, gateways: int, routes: int) -> None:
    count = _counter(make("AwsNetwork", nat=nat)[0])
    assert (count("aws:ec2/natGateway:NatGateway"), count("aws:ec2/route:Route")) == (gateways, routes)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("AwsNetwork", {"nat": "two"}),
        ("AwsNetwork", {"cidr": "10.0.0.0/24"}),
        ("AwsNetwork", {"cidr": "nonsense"}),
        ("AwsData", {"size": "huge"}),
        ("AwsData", {"backup_days": 1}),
        ("AzureData", {"high_availability": True}),
        ("AzureData", {"backup_days": 40}),
        ("GcpData", {"backup_days": 6}),
        ("GcpNetwork", {"nat": "per-zone"}),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, more: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make(name, **more)


def test_the_cache_on_azure_is_of_the_service_that_is_not_retired() -> None:
    made, _ = make("AzureData")
    assert not [each for each in made if each.type.startswith("azure-native:redis:")]
    (cache,) = (each.inputs for each in made if each.type == "azure-native:redisenterprise:RedisEnterprise")
    (database,) = (each.inputs for each in made if each.type == "azure-native:redisenterprise:Database")
    assert (cache["publicNetworkAccess"], cache["minimumTlsVersion"]) == ("Disabled", "1.2")
    assert (database["port"], database["accessKeysAuthentication"]) == (10000, "Disabled")
    zones = [each.inputs["privateZoneName"] for each in made if each.type == "azure-native:privatedns:PrivateZone"]
    assert "privatelink.redis.azure.net" in zones


def test_only_web_traffic_comes_in_on_azure() -> None:
    made, _ = make("AzureNetwork")
    groups = {each.name: each.inputs["securityRules"] for each in made if "NetworkSecurityGroup" in each.type}
    assert [rule["access"] for rule in groups["shop-private"]] == ["Deny"]
    assert [rule["destinationPortRanges"] for rule in groups["shop-public"]] == [["80", "443"]]
    subnets = [each.inputs for each in made if each.type == "azure-native:network:Subnet"]
    assert all(each["networkSecurityGroup"]["id"] for each in subnets)
    assert [each["defaultOutboundAccess"] for each in subnets] == [False] * 4


@pytest.mark.parametrize("cloud", ["Aws", "Azure", "Gcp"])
def test_cache_and_objects_can_be_left_out(cloud: str) -> None:
    everything = {each.type for each in make(f"{cloud}Data")[0]}
    database = {each.type for each in make(f"{cloud}Data", cache=False, objects=False)[0]}
    assert database < everything
    assert not any(word in each for each in database for word in ("elasticache", "redis", "storage", "s3/"))


@pytest.mark.parametrize(
    ("cloud", "type_", "path", "alone", "twofold"),
    [
        ("Aws", "aws:rds/instance:Instance", ("multiAz",), False, True),
        ("Azure", "azure-native:dbforpostgresql:Server", ("highAvailability", "mode"), "Disabled", "ZoneRedundant"),
        ("Gcp", "gcp:sql/databaseInstance:DatabaseInstance", ("settings", "availabilityType"), "ZONAL", "REGIONAL"),
    ],
)
def test_a_second_zone_is_a_choice(cloud: str, type_: str, path: tuple[str, ...], alone: Any, twofold: Any) -> None:
    for wanted, value in ((False, alone), (True, twofold)):
        made, _ = make(f"{cloud}Data", size="medium", high_availability=wanted)
        (found,) = [each.inputs for each in made if each.type == type_]
        for step in path:
            found = found[step]
        assert found == value


_DATABASES = {
    "Aws": "aws:rds/instance:Instance",
    "Azure": "azure-native:dbforpostgresql:Server",
    "Gcp": "gcp:sql/databaseInstance:DatabaseInstance",
}


@pytest.mark.parametrize("cloud", ["Aws", "Gcp"])
def test_a_database_is_kept_unless_it_is_disposable(cloud: str) -> None:
    for disposable in (False, True):
        made, _ = make(f"{cloud}Data", disposable=disposable)
        (database,) = [each for each in made if each.type == _DATABASES[cloud]]
        assert database.inputs["deletionProtection"] is not disposable


@pytest.mark.parametrize("cloud", ["Aws", "Azure", "Gcp"])
def test_no_database_has_a_password_in_its_inputs(cloud: str) -> None:
    made, _ = make(f"{cloud}Data")
    (database,) = [each for each in made if each.type == _DATABASES[cloud]]
    assert [
        key for key in database.inputs if key.lower().endswith("password") and database.inputs[key] is not True
    ] == []


_TOLD = {
    "Aws": "aws:sns/topicSubscription:TopicSubscription",
    "Azure": "azure-native:monitor:ActionGroup",
    "Gcp": "gcp:monitoring/notificationChannel:NotificationChannel",
}


@pytest.mark.parametrize("cloud", ["Aws", "Azure", "Gcp"])
def test_people_are_told(cloud: str) -> None:
    made, _ = make(f"{cloud}Observability")
    assert "on-call@example.com" in json.dumps([each.inputs for each in made if each.type == _TOLD[cloud]])


def test_what_exporters_are_given() -> None:
    assert make("AwsObservability")[1]["otlp_traces_endpoint"] == "https://xray.eu-central-1.amazonaws.com/v1/traces"
    assert make("GcpObservability")[1]["otlp_endpoint"] == "https://telemetry.googleapis.com"


def _without_cloud(name: str) -> str:
    return re.sub(r"^(Aws|Azure|Gcp)", "", name)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)


def _tags(made: Made) -> Mapping[str, str]:
    """Return the tags of a resource that carry ours, wherever its cloud puts them."""
    places = [made.inputs, made.inputs.get("settings") or {}]
    found = [place.get(key) for place in places for key in ("tags", "labels", "userLabels")]
    return next((each for each in found if isinstance(each, Mapping) and "slipway-tenant" in each), {})


def _counter(made: list[Made]) -> Callable[[str], int]:
    return lambda type_: len([each for each in made if each.type == type_])
