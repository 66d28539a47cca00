"""Blueprints that use components of packages: what is wired into them has the types that their wheel declares."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.blueprint_spec import parse_spec
from catalog.assets.kinds import kinds
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.assets.wheel import build_wheel
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.models import Publication

Send = Callable[[bytes], Publication]
COMPONENTS = b'''
"""Two components."""
from typing import Optional, TypedDict

import pulumi


class Subnet(TypedDict):
    cidr: str
    public: Optional[bool]


class NetworkArgs(TypedDict):
    cidr: pulumi.Input[str]
    subnets: list[Subnet]
    hosts: Optional[int]


class Place(TypedDict):
    zone: str
    note: Optional[str]


class Network(pulumi.ComponentResource):
    network_id: pulumi.Output[str]
    place: pulumi.Output[Place]
    size: pulumi.Output[int]

    def __init__(self, name: str, args: NetworkArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("net:index:Network", name, {}, opts)


class DataArgs(TypedDict):
    replicas: pulumi.Input[int]


class Data(pulumi.ComponentResource):
    url: pulumi.Output[str]

    def __init__(self, name: str, args: DataArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("net:index:Data", name, {}, opts)
'''
NETWORK = {"cidr": "${inputs.range}", "subnets": [{"cidr": "10.0.1.0/24", "public": True}], "hosts": "${inputs.hosts}"}
DATA = {"replicas": "${network.outputs.size}"}
INPUTS = {
    "range": {"type": "string", "default": "10.0.0.0/16"},
    "hosts": {"type": "integer", "default": 3},
    "wide": {"type": "boolean", "default": False},
}


def package() -> bytes:
    files = dict(kinds()["component-package"].skeleton("acme", "net"))
    files = {path: data for path, data in files.items() if not path.startswith("content/")}
    modules = {"net/__init__.py": COMPONENTS, "net/PulumiPlugin.yaml": b"runtime: python\n"}
    name, data = build_wheel("net", "0.1.0", modules, requires=())
    return build_archive(
        {path: PackageFile(each) for path, each in {**files, f"content/dist/{name}": data}.items()}
    ).data


def blueprint(
    network: Any = NETWORK, data: Any = DATA, told: str = "${data.outputs.url}", component: str = "Network"
) -> bytes:
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "shop"))
    manifest = yaml.safe_load(files["asset.yaml"])
    manifest["inputs"].pop("ui")
    manifest["dependencies"] = [{"asset": "acme/net", "kind": "component-package", "version": ">=0", "alias": "net"}]
    parts = {
        "network": {"type": "component", "uses": "net", "component": component, "inputs": network},
        "data": {"type": "component", "uses": "net", "component": "Data", "inputs": data},
    }
    web = {"type": "process", "procfile": "web", "env": {"DATA": told, "NET": "${network.outputs.networkId}"}}
    manifest["spec"]["environment"] = {"components": {"web": web, **parts}, "outputs": {"url": "${web.url}"}}
    draft = "https://json-schema.org/draft/2020-12/schema"
    schema: dict[str, Any] = {"$schema": draft, "type": "object", "additionalProperties": False}
    files["inputs.schema.json"] = json.dumps({**schema, "properties": INPUTS}).encode()
    files["outputs.schema.json"] = json.dumps({**schema, "properties": {"url": {"type": "string"}}}).encode()
    files["asset.yaml"] = yaml.safe_dump(manifest).encode()
    kept = {path: each for path, each in files.items() if not path.startswith("examples/") and path != "inputs.ui.json"}
    return build_archive({path: PackageFile(each) for path, each in kept.items()}).data


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("does not take what this", {"network": {**NETWORK, "cidr": 10}}),
    ("does not take what this", {"network": {**NETWORK, "hosts": "${inputs.wide}"}}),
    ("does not take what this", {"network": {**NETWORK, "subnets": [{"public": True}]}}),
    ("does not take what this", {"network": {**NETWORK, "subnets": ["10.0.1.0/24"]}}),
    ("needs the input subnets", {"network": {"cidr": "10.0.0.0/16"}}),
    ("has no input vlan", {"network": {**NETWORK, "vlan": 3}}),
    ("does not take what this", {"data": {"replicas": "${network.outputs.networkId}"}}),
    ("does not take what this", {"data": {"replicas": "${network.outputs.place.zone}"}}),
    ("has no output address", {"told": "${data.outputs.address}"}),
    ("does not always hold note", {"told": "${network.outputs.place.note}"}),
    ("does not always hold street", {"told": "at ${network.outputs.place.street}"}),
    ("does not always hold digits", {"told": "${network.outputs.size.digits}"}),
]


def test_what_is_wired_into_components_has_their_types(
    send: Send, work: Callable[[], list[str]], database: Database, acme: Principal, settings: Settings
) -> None:
    with pytest.raises(PackageRejectedError) as missing:
        send(blueprint())
    assert [each.rule for each in missing.value.findings] == ["part-unresolved"]
    send(package())
    assert work() == ["uploads.check"]

    for says, changes in WRONG:
        with pytest.raises(PackageRejectedError) as refusal:
            send(blueprint(**changes))
        found = [each for each in refusal.value.findings if each.rule == "wiring-type"]
        assert [says in each.message for each in found] == [True], (says, refusal.value.findings)
        assert found[0].line is not None
    with pytest.raises(PackageRejectedError) as unknown:
        send(blueprint(component="Netwerk"))
    assert "has no component Netwerk. It has Data, Network." in unknown.value.findings[0].message

    published = send(blueprint(told="${network.outputs.place.zone}"))
    assert published.version is not None
    assert published.findings == []
    with database.tenant_session(acme.tenant_id) as session:
        assets = AssetService(session)
        lock = assets.resolve_reference(acme.tenant_id, parse_reference("acme/shop")).lock
        version = assets.version(acme.tenant_id, "acme", "shop", "0.1.0")
        spec, versions = assets.composed(
            acme.tenant_id, version, [each.as_json() for each in lock], open_blobs(settings)
        )
    environment = parse_spec({"spec": spec}).environment
    assert environment.processes["web"].env["DATA"] == "${network.outputs.place.zone}"
    joined = environment.packaged
    assert {name: (each.uses, each.component) for name, each in joined.items()} == {
        "network": ("acme/net", "Network"),
        "data": ("acme/net", "Data"),
    }
    assert joined["network"].inputs == NETWORK
    assert sorted(each.name for each in versions) == ["net", "shop"]
