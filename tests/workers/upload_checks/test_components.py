"""Components of a wheel, imported in the sandbox: their schema, their forms, and code that means harm."""

import json
from typing import Any

import pytest

from catalog.assets import component_schemas
from catalog.assets.archive import PackageFile
from catalog.assets.check import check_files
from catalog.assets.inputs import InvalidInputsError, complete_inputs
from catalog.assets.kinds import kinds
from catalog.assets.wheel import build_wheel
from workers.upload_checks import Bench, Result
from workers.upload_checks.component_package import CHECK

PLUGIN = b"runtime: python\n"
COMPONENTS = '''
"""Two components."""
from enum import Enum
from typing import Optional, TypedDict

import pulumi


class Size(str, Enum):
    """How large."""

    SMALL = "s"
    LARGE = "l"


class Subnet(TypedDict):
    """A part of a network."""

    cidr: str
    """Its range."""
    public: Optional[bool]


class NetworkArgs(TypedDict):
    """What a network takes."""

    cidr: pulumi.Input[str]
    """The range of addresses."""
    subnets: list[Subnet]
    tags: Optional[pulumi.Input[dict[str, str]]]
    size: Optional[Size]
    max_hosts: Optional[int]


class Network(pulumi.ComponentResource):
    """A network of one's own."""

    network_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("acme:index:Network", name, {}, opts)


class DataArgs(TypedDict):
    engine: pulumi.Input[str]


class Data(pulumi.ComponentResource):
    url: pulumi.Output[str]

    def __init__(self, name: str, args: DataArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("acme:index:Data", name, {}, opts)
'''


def checked(bench: Bench, source: str, main: str = "") -> Result:
    files = dict(kinds()["component-package"].skeleton("acme", "net"))
    files = {path: data for path, data in files.items() if not path.startswith("content/")}
    modules = {"net/__init__.py": source.encode(), "net/PulumiPlugin.yaml": PLUGIN}
    if main:
        modules["net/__main__.py"] = main.encode()
    name, data = build_wheel("net", "0.1.0", modules, requires=())
    files[f"content/dist/{name}"] = data
    found, _ = check_files({path: PackageFile(data) for path, data in files.items()})
    assert not found.errors, found.errors
    assert found.package is not None
    return CHECK.check(found.package, bench)


@pytest.fixture(scope="module")
def two(bench: Bench) -> Result:
    """Check a package of two components."""
    return checked(bench, COMPONENTS)


def test_the_schema_is_inferred_from_the_annotations(two: Result) -> None:
    assert not two.findings
    names = [each.name for each in two.derived.artifacts]
    assert names == ["pulumi-schema.json", "inputs-Data.schema.json", "inputs-Network.schema.json"]
    schema = json.loads(two.derived.artifacts[0].data)
    assert schema["resources"].keys() == {"net:index:Network", "net:index:Data"}


def test_each_component_has_a_form(two: Result) -> None:
    forms = {each.name: json.loads(each.data) for each in two.derived.artifacts[1:]}
    network = forms["inputs-Network.schema.json"]
    assert network["required"] == ["cidr", "subnets"]
    assert network["properties"]["cidr"] == {
        "title": "Cidr",
        "description": "The range of addresses.",
        "type": "string",
    }
    assert network["$defs"]["Size"]["enum"] == ["s", "l"]
    assert network["properties"]["tags"]["additionalProperties"] == {"type": "string"}
    assert network["properties"]["maxHosts"]["title"] == "Max hosts"
    good: dict[str, Any] = {"cidr": "10.0.0.0/16", "subnets": [{"cidr": "10.0.1.0/24"}], "size": "s"}
    assert complete_inputs(network, good) == good
    wrongs: list[dict[str, Any]] = [{**good, "size": "m"}, {**good, "subnets": [{}]}, {"subnets": []}, {**good, "x": 1}]
    for wrong in wrongs:
        with pytest.raises(InvalidInputsError):
            complete_inputs(network, wrong)


def test_the_package_as_a_whole_has_a_schema_for_the_compatibility_check(two: Result) -> None:
    whole: Any = two.derived.input_schema
    assert whole["properties"].keys() == {"Network", "Data"}
    assert complete_inputs(whole, {"Data": {"engine": "x"}}) == {"Data": {"engine": "x"}}
    with pytest.raises(InvalidInputsError):
        complete_inputs(whole, {"Network": {"cidr": "x", "subnets": [{}]}})
    outputs: Any = two.derived.output_schema
    assert outputs["properties"]["Network"]["properties"].keys() == {"networkId"}


def test_the_reference_names_everything(two: Result) -> None:
    found = component_schemas.reference(json.loads(two.derived.artifacts[0].data))
    assert [each.name for each in found.components] == ["Data", "Network"]
    network = found.components[1]
    assert network.description == "A network of one's own."
    kinds_of = {each.name: (each.kind, each.is_required) for each in network.inputs}
    assert kinds_of["subnets"] == ("list of Subnet", True)
    assert kinds_of["tags"] == ("map of text", False)
    assert [each.name for each in found.types] == ["Size", "Subnet"]
    assert found.types[0].values == ("s", "l")


def test_the_components_that_are_served_are_the_ones(bench: Bench) -> None:
    main = (
        "from pulumi.provider.experimental import component_provider_host\nfrom net import Data\n"
        "if __name__ == '__main__':\n    component_provider_host(name='acme-net', components=[Data])\n"
    )
    result = checked(bench, COMPONENTS, main)
    assert json.loads(result.derived.artifacts[0].data)["resources"].keys() == {"acme-net:index:Data"}
    assert result.derived.input_schema is not None
    assert result.derived.input_schema["title"] == "Data"


@pytest.mark.parametrize(
    ("source", "rule", "level", "said"),
    [
        ("import a_cloud_sdk.network\n", "components-dependency", "warning", "a_cloud_sdk is not installed"),
        ("x = 1\n", "components-none", "warning", "defines no component"),
        ("def (:\n", "components", "error", "SyntaxError"),
        ("raise SystemExit(3)\n", "components", "error", "SystemExit: 3 (__init__.py, line 1)"),
        ("import os; os._exit(0)\n", "components", "error", "no answer"),
        ("import os; os.kill(os.getpid(), 9)\n", "components", "error", "status"),
        ("open('result.json', 'w').write('[' * 100000); import os; os._exit(0)\n", "components", "error", "no answer"),
        ("open('result.json', 'w').write('{\"schema\": {\"resources\": 1}}'); import os; os._exit(0)\n", "components",
         "error", "make no schema"),
        ("import socket; socket.create_connection(('127.0.0.1', 5432), 2)\n", "components", "error", "Error"),
        ("open('/etc/shadow').read()\n", "components", "error", "Error"),
        (COMPONENTS.replace("engine: pulumi.Input[str]", "engine: int | str"), "components", "error", "Union"),
        (COMPONENTS.replace("args: DataArgs", "args"), "components", "error", "'args'"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said(bench: Bench, source: str, rule: str, level: str, said: str) -> None:
    result = checked(bench, source)
    assert [(each.rule, each.level) for each in result.findings] == [(rule, level)], result.findings
    assert said in result.findings[0].message, result.findings
    assert result.derived.artifacts == ()


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"resources": []},
        {"resources": {"a:index:../x": {}}},
        {"resources": {"a:index:A": {"inputProperties": [1]}}},
        {"resources": {"a:index:A": {"inputProperties": {"x": {"$ref": "#/types/a:index:Gone"}}}}},
        {"resources": {f"a:index:A{n}": {} for n in range(101)}},
    ],
)
def test_a_schema_that_is_none_is_refused(schema: Any) -> None:
    with pytest.raises((ValueError, AttributeError)):
        component_schemas.input_schemas(schema)


def test_types_may_refer_to_themselves() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/types/a:index:Node"}}}
    schema: dict[str, Any] = {
        "types": {"a:index:Node": node},
        "resources": {"a:index:A": {"inputProperties": {"head": {"$ref": "#/types/a:index:Node"}}}},
    }
    (form,) = component_schemas.input_schemas(schema).values()
    assert complete_inputs(form, {"head": {"next": {"next": {}}}})
    both = {**schema, "resources": {"a:index:A": schema["resources"]["a:index:A"], "a:index:B": {}}}
    joined = component_schemas.joined(component_schemas.input_schemas(both))
    assert complete_inputs(joined, {"A": {"head": {"next": {}}}})
