"""The programs of clouds: types and inputs as their providers want them, the graph, and the tags that inventory reads.

Each resource is made with the provider's own typed class, with Pulumi's mocks: it refuses what is missing or unknown.
"""

import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import pulumi
import pytest
from pulumi.runtime.rpc import unwrap_rpc_secret

from catalog.assets.blueprint_spec import parse_spec
from catalog.environments.service import DeployPlan
from catalog.providers.scm import PullRequest, PullRequestState
from catalog.providers.targets import provider
from catalog.providers.targets.cloud_tags import COMPONENT, ENVIRONMENT
from catalog.settings import Settings
from tests.pulumi_mocks import run_mocked
from tests.workers.targets.contract import SPEC
from workers.engine import ProgramLookup, ProgramResource, StackProgram, StackRef
from workers.engine.program import IN_URLS, build
from workers.engine.references import in_order, references
from workers.engine.wire import Job
from workers.environment_parts import PartPackage
from workers.environment_program import environment_program, sleeping_program
from workers.targets import Place, UnfitError

# Importing these classes imports others beside them that are no longer to be used.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated in favor of:DeprecationWarning")
CLOUDS = ("azure", "aws", "gcp")
MADE = UUID("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
SETTINGS = Settings(
    targets=CLOUDS,
    image_pattern="registry.example.com/{repository}-{component}:{revision}",
    aws_vpc="vpc-1",
    aws_subnets=("subnet-1", "subnet-2"),
    gcp_project="shop",
    gcp_project_number="4711",
)
SERVERS: Mapping[str, Any] = {
    "environment": {
        "components": {
            **SPEC["environment"]["components"],
            "db": {"type": "postgres"},
            "cache": {"type": "redis"},
            "files": {"type": "objects"},
            "worker": {
                "type": "process",
                "command": "work",
                "env": {
                    "DATABASE_URL": "${db.url}",
                    "DATABASE_HOST": "${db.host}:${db.port}",
                    "REDIS_URL": "${cache.url}",
                    "S3": "${files.url}/${files.bucket} ${files.region} ${files.access_key} ${files.secret_key}",
                },
                "health": {"running": "PT5S"},
            },
        },
        "outputs": {"url": "${web.url}"},
    },
}
"""A blueprint with everything that stands behind services."""
UNTAGGED = frozenset(
    {
        "aws:iam/userPolicy:UserPolicy",
        "aws:iam/accessKey:AccessKey",
        "gcp:sql/user:User",
        "gcp:sql/database:Database",
        "gcp:serviceaccount/account:Account",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:storage/hmacKey:HmacKey",
        "azure-native:network:PrivateDnsZoneGroup",
        "azure-native:dbforpostgresql:Database",
        "azure-native:redisenterprise:Database",
        "azure-native:storage:BlobContainer",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
    }
)
"""What has no tags of its own and goes with what has."""


def plan(target: str, spec: Mapping[str, Any] = SPEC) -> DeployPlan:
    hostname = f"shop-pr-42-abc123.{provider(target).domain(SETTINGS)}"
    return DeployPlan(
        tenant_id=UUID(int=1),
        environment_id=MADE,
        generation=1,
        operation_id=UUID(int=0),
        name="shop-pr-42",
        hostname=hostname,
        url=provider(target).address(SETTINGS, hostname),
        repository="https://git.example.com/acme/shop",
        pull_request=PullRequest(42, PullRequestState.OPEN, "a" * 40, "main"),
        head_sha="a" * 40,
        spec=parse_spec({"spec": spec}),
        inputs={"greeting": "ahoy"},
        credentials=dict.fromkeys(("db", "cache", "files"), "Pass_word-1"),
        target=target,
    )


def offered(target: str) -> Mapping[str, Any]:
    """Return the blueprint with those of its servers that a target offers."""
    has = provider(target).backing
    components = SERVERS["environment"]["components"]
    kept = {name: each for name, each in components.items() if each["type"] in {"process", *has}}
    env = {key: text for key, text in kept["worker"]["env"].items() if not _named(text) - kept.keys()}
    kept["worker"] = {**kept["worker"], "env": env}
    return {"environment": {**SERVERS["environment"], "components": kept}}


def _named(text: str) -> set[str]:
    return set(re.findall(r"\$\{([a-z]+)\.", text))


def place() -> Place:
    return Place(SETTINGS, Path("/nowhere"), Path("/nowhere"))


def program(target: str, spec: Mapping[str, Any] = SPEC) -> StackProgram:
    return environment_program(plan(target, spec), place(), {})


class Mocks(pulumi.runtime.Mocks):
    """Answers with the inputs, and an id."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        return f"{args.name}-id", {**args.inputs, "name": args.inputs.get("name", args.name)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        del args
        return {}, []


def typed(kind: str) -> type[pulumi.CustomResource]:
    """Return the class of the provider's SDK for a type."""
    package, module, name = kind.split(":")
    root = {"azure-native": "pulumi_azure_native", "aws": "pulumi_aws", "gcp": "pulumi_gcp"}[package]
    found: type[pulumi.CustomResource] = getattr(importlib.import_module(f"{root}.{module.partition('/')[0]}"), name)
    assert issubclass(found, pulumi.CustomResource)
    return found


def answer_of(lookup: ProgramLookup) -> type:
    """Return the class of what a function of the provider's SDK answers; it takes what it is asked with."""
    package, module, name = lookup.function.split(":")
    assert package == "azure-native"
    found = importlib.import_module(f"pulumi_azure_native.{module}")
    taken = inspect.signature(getattr(found, snake(name))).parameters
    assert {snake(each) for each in lookup.inputs} <= taken.keys()
    answer: type = getattr(found, f"{name[0].upper()}{name[1:]}Result")
    return answer


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", lambda found: f"_{found[1].lower()}", name)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a function's parameters; what may be an output as well is given as what it is without."""
    return get_type_hints(function, localns={"Output": pulumi.Output, "T": Any})


def checked(value: Any, shape: Any) -> Any:
    """Return inputs by the SDK's own names; a name that the shape does not have is refused by its class."""
    classes = [each for each in _inside(shape) if inspect.isclass(each) and each.__name__.endswith("Args")]
    if isinstance(value, Mapping) and classes:
        hints = hints_of(classes[0].__init__)
        names = {snake(key): each for key, each in value.items()}
        return classes[0](**{key: checked(each, hints.get(key)) for key, each in names.items()})
    if isinstance(value, list):
        return [checked(each, shape) for each in value]
    return value


def _inside(shape: Any) -> list[Any]:
    """Return every type that a type is made of."""
    parts = getattr(shape, "__args__", ())
    return [shape, *(one for each in parts for one in _inside(each))]


def made(resource: ProgramResource) -> pulumi.CustomResource:
    """Make a resource with its provider's class; raise TypeError for inputs that are missing or unknown."""
    kind = typed(resource.type)
    hints = hints_of(vars(kind)["_internal_init"])
    inputs = {snake(key): checked(value, hints.get(snake(key))) for key, value in resource.inputs.items()}
    return kind(resource.name, **inputs)


def _registered(resource: ProgramResource) -> None:
    made(resource)


@pytest.mark.parametrize("target", CLOUDS)
def test_each_resource_is_as_its_provider_wants_it(target: str) -> None:
    for resource in program(target, offered(target)).resources:
        run_mocked(Mocks(), partial(_registered, resource))


@pytest.mark.parametrize("target", CLOUDS)
def test_what_services_are_told_of_servers_is_what_their_resources_have(target: str) -> None:
    declared = program(target, offered(target))
    by_name = {each.name: each for each in declared.resources}
    asked = {each.name: answer_of(each) for each in declared.lookups}
    inputs = [one.inputs for one in declared.resources] + [one.inputs for one in declared.lookups]
    for each in references([dict(one) for one in inputs]):
        if each.resource in asked:
            told = each.output.removesuffix(IN_URLS)
            assert isinstance(inspect.getattr_static(asked[each.resource], snake(told)), property), each
            continue
        kind = typed(by_name[each.resource].type)
        assert each.output == "id" or isinstance(inspect.getattr_static(kind, snake(each.output)), property), each


@pytest.mark.parametrize("target", CLOUDS)
def test_passwords_stand_in_secret_inputs_alone(target: str) -> None:
    for each in program(target, offered(target)).resources:
        holding = {key for key, value in each.inputs.items() if re.search("Pass[_-]word-1", str(value))}
        assert holding <= set(each.secret_inputs), each.name


@pytest.mark.parametrize("target", CLOUDS)
def test_servers_stay_while_an_environment_sleeps(target: str) -> None:
    whole = program(target, offered(target)).resources
    asleep = sleeping_program(plan(target, offered(target)), place(), {}, ()).resources
    servers = {each.name: each for each in whole if each.name in {"db", "cache", "files"}}
    assert {each.name: each for each in asleep if each.name in servers} == servers
    assert {"web", "api", "worker"}.isdisjoint(each.name for each in asleep)


def test_servers_that_only_the_commit_describes_are_not_put_to_sleep_without_it() -> None:
    spec = {"environment": {**SPEC["environment"], "from": {"format": "compose"}}}
    with pytest.raises(UnfitError, match=r"docker-compose.yml describes is not known"):
        sleeping_program(plan("aws", spec), place(), {}, (), with_files=False)


def test_providers_refuse_what_is_missing_or_unknown() -> None:
    service = next(each for each in program("gcp").resources if each.type == "gcp:cloudrunv2/service:Service")
    template = service.inputs["template"]
    for wrong in (
        {key: value for key, value in service.inputs.items() if key != "template"},
        {**service.inputs, "templates": template},
        {**service.inputs, "template": {**template, "container": []}},
    ):
        with pytest.raises(TypeError):
            run_mocked(Mocks(), partial(_registered, replace(service, inputs=wrong)))


@pytest.mark.parametrize("target", CLOUDS)
def test_what_inventory_finds_is_tagged(target: str) -> None:
    for resource in program(target, offered(target)).resources:
        settings = resource.inputs.get("settings") or {}
        tags = resource.inputs.get("tags") or resource.inputs.get("labels") or settings.get("userLabels")
        if resource.type in UNTAGGED:
            assert tags is None
            continue
        assert tags is not None, resource.name
        assert tags[ENVIRONMENT] == str(MADE)
        if resource.name in {"web", "api", "db", "cache", "files"}:
            assert tags[COMPONENT] == resource.name


@pytest.mark.parametrize("target", CLOUDS)
def test_the_graph_has_no_circle_and_services_come_after_what_they_need(target: str) -> None:
    made = program(target, offered(target))
    ordered = [each.name for each in in_order(made)]
    assert ordered.index("api") < ordered.index("web")
    assert ordered.index("db") < ordered.index("worker")
    assert in_order(sleeping_program(plan(target), place(), {}, ())) is not None
    known = {each.name for each in made.resources}
    assert {each.resource for each in references(dict(made.outputs))} <= known


@pytest.mark.parametrize("target", CLOUDS)
def test_variables_are_secret_to_the_engine_and_images_are_of_the_commit(target: str) -> None:
    made = program(target).resources
    shown = str([each.inputs for each in made])
    for name in ("web", "api"):
        assert f"registry.example.com/shop-{name}:{'a' * 40}" in shown
    assert "ahoy" in shown
    for each in made:
        holding = {key for key, value in each.inputs.items() if "ahoy" in str(value)}
        assert holding <= set(each.secret_inputs), each.name


@pytest.mark.parametrize("target", CLOUDS)
def test_what_a_cloud_does_not_sell_is_refused_by_name(target: str) -> None:
    web = {**SPEC["environment"]["components"]["web"], "limits": {"memoryMb": 65536}}
    spec = {"environment": {**SPEC["environment"], "components": {**SPEC["environment"]["components"], "web": web}}}
    with pytest.raises(UnfitError, match=r"web: .* at most"):
        program(target, spec)
    worker = {"type": "process", "procfile": "worker"}
    components = {**SPEC["environment"]["components"], "worker": worker}
    with pytest.raises(UnfitError, match=r"worker: .* Write it as command"):
        program(target, {"environment": {**SPEC["environment"], "components": components}})


@pytest.mark.parametrize(
    ("target", "says"), [("azure", "https://web."), ("aws", "http://"), ("gcp", "https://shop-pr-42")]
)
def test_the_address_is_that_of_the_public_service(target: str, says: str) -> None:
    assert program(target).outputs["url"].startswith(says)


@pytest.mark.parametrize("target", CLOUDS)
@pytest.mark.parametrize("part", ["checkout", "route", "shelf"])
def test_services_come_after_the_parts_that_they_need_whatever_those_are_called(target: str, part: str) -> None:
    package = PartPackage(Path("things.whl"), (), ("demo",))
    shelf = {"type": "component", "uses": "acme/things", "component": "Shelf", "inputs": {"of": "books"}}
    web = SPEC["environment"]["components"]["web"]
    told = {**web, "env": {**web["env"], "SHELF": f"${{{part}.outputs.place}}"}}
    components = {**SPEC["environment"]["components"], part: shelf, "web": told}
    spec = {"environment": {**SPEC["environment"], "components": components}}
    made = environment_program(plan(target, spec), place(), {part: package})
    ordered = [each.name for each in in_order(made)]
    (called,) = [each.name for each in made.parts]
    assert ordered.index(called) < ordered.index("web")
    web_made = next(each for each in made.resources if each.name == "web")
    assert called in web_made.depends_on


class Azure(Mocks):
    """Answers as Azure does to whoever asks for keys, and remembers what was made."""

    def __init__(self) -> None:
        self.made: dict[str, Mapping[str, Any]] = {}
        self.asked: dict[str, Mapping[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        self.made[args.name] = {key: unwrap_rpc_secret(value) for key, value in args.inputs.items()}
        own = {key: value for key, value in args.inputs.items() if key.endswith(("Name", "name"))}
        told = {"name": next((own[key] for key in own if key != "resourceGroupName"), args.name)}
        return f"{args.name}-id", {
            **args.inputs,
            **told,
            "hostName": "cache.example.net",
            "fullyQualifiedDomainName": "db.example.net",
            "defaultDomain": "example.net",
        }

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        self.asked[args.token] = args.args
        return {"primaryKey": "k/e+y=", "keys": [{"keyName": "key1", "value": "Ac/count=="}]}, []


def test_what_azure_makes_itself_is_asked_for_and_told_to_services_as_secrets() -> None:
    azure = Azure()
    run_mocked(azure, build(program("azure", SERVERS)))
    keys = azure.asked["azure-native:redisenterprise:listDatabaseKeys"]
    assert keys["clusterName"] == azure.made["cache"]["clusterName"]
    account = azure.made["account_files"]["accountName"]
    assert azure.asked["azure-native:storage:listStorageAccountKeys"]["accountName"] == account
    assert re.fullmatch(r"[a-z0-9]{3,24}", account)

    worker = azure.made["worker"]["configuration"]
    values = {each["value"] for each in worker["secrets"]}
    assert "rediss://:k%2Fe%2By%3D@cache.example.net:10000" in values
    assert "http://files:9000/app us-east-1 app Pass_word-1" in values
    gateway = azure.made["files"]
    assert {each["name"]: each["value"] for each in gateway["configuration"]["secrets"]} == {
        "root": "Pass_word-1",
        "account": "Ac/count==",
    }
    (container,) = gateway["template"]["containers"]
    assert {"name": "AZ_ACCOUNT_NAME", "value": account} in container["env"]
    assert gateway["configuration"]["ingress"]["external"] is False


def test_azure_keeps_the_keys_of_servers_that_stay_while_an_environment_sleeps() -> None:
    asleep = sleeping_program(plan("azure", SERVERS), place(), {}, ())
    assert {each.name for each in asleep.lookups} == {"keys_cache", "keys_files"}
    assert in_order(asleep)


def test_lookups_reach_the_process_that_runs_the_program() -> None:
    declared = program("azure", SERVERS)
    job = Job(
        operation="up",
        stack=StackRef("shop", "test"),
        work_dir="",
        home="",
        backend_url="",
        cli="",
        cli_version="",
        plugin={},
        program=declared,
        labels={},
        passphrase="",
    )
    assert Job.from_json(json.loads(json.dumps(job.as_json()))).program.lookups == declared.lookups


def test_servers_of_azure_are_reached_from_the_network_of_the_environment_alone() -> None:
    azure = Azure()
    run_mocked(azure, build(program("azure", SERVERS)))
    made = azure.made
    assert made["db"]["network"] == {"publicNetworkAccess": "Disabled"}
    assert made["cache"]["publicNetworkAccess"] == made["account_files"]["publicNetworkAccess"] == "Disabled"
    assert made["apps_own"]["vnetConfiguration"]["infrastructureSubnetId"] == "network_own-id/subnets/apps"
    parts = {each["name"]: each for each in made["network_own"]["subnets"]}
    assert [each["serviceName"] for each in parts["apps"]["delegations"]] == ["Microsoft.App/environments"]
    for server, resource, part in (
        ("db", "db", "postgresqlServer"),
        ("cache", "cache", "redisEnterprise"),
        ("files", "account_files", "blob"),
    ):
        endpoint = made[f"endpoint_{server}"]
        assert endpoint["subnet"] == {"id": "network_own-id/subnets/servers"}
        (connection,) = endpoint["privateLinkServiceConnections"]
        assert (connection["privateLinkServiceId"], connection["groupIds"]) == (f"{resource}-id", [part])
        (zone,) = made[f"names_{server}"]["privateDnsZoneConfigs"]
        kind = zone["name"]
        assert zone["privateDnsZoneId"] == f"zone_{kind}_own-id"
        assert made[f"link_zone_{kind}_own"]["virtualNetwork"] == {"id": "network_own-id"}
    by_name = {each.name: each for each in program("azure", SERVERS).resources}
    assert {"names_db", "names_cache"} <= set(by_name["worker"].depends_on)
    assert "names_files" in by_name["files"].depends_on
