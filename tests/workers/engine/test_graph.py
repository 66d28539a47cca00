"""The graph that a preview announces: replacements, what is not known yet, components, and what stays as it is."""

from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from workers.engine import GraphNode, ResourceOperation
from workers.engine.recorder import Recorder
from workers.engine.state import SECRET_SIGNATURE, SIGNATURE_KEY, graph

STACK = "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s"
NETWORK = "urn:pulumi:s::p::acme:net:Network::net"
VPC = "urn:pulumi:s::p::acme:net:Network$aws:ec2/vpc:Vpc::vpc"
DATABASE = "urn:pulumi:s::p::acme:net:Network$aws:rds/instance:Instance::database"
PASSWORD = {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": "v1:abc"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def step(op: str, urn: str, parent: str = STACK, *, new: Any = None, old: Any = None) -> dict[str, Any]:
    def state(inputs: Any) -> dict[str, Any] | None:
        return None if inputs is None else {"type": "", "urn": urn, "parent": parent, "inputs": inputs}

    kind = urn.split("::")[2].rpartition("$")[2]
    metadata = {"op": op, "urn": urn, "type": kind, "new": state(new), "old": state(old)}
    return {"sequence": 1, "timestamp": 1, "resourcePreEvent": {"metadata": metadata, "planning": True}}


@pytest.fixture(scope="module")
def announced() -> dict[str, GraphNode]:
    recorder = Recorder(lambda _event: None)
    for each in [
        step("create", STACK, "", new={}),
        step("same", NETWORK, new={}, old={}),
        step("same", VPC, NETWORK, new={"cidr": "10.0.0.0/16"}, old={"cidr": "10.0.0.0/16"}),
        step("create-replacement", DATABASE, NETWORK, new={"size": 40, "subnet": UNKNOWN, "password": PASSWORD}),
        step("replace", DATABASE, NETWORK, new={"size": 40}, old={"size": 20}),
        step("delete-replaced", DATABASE, NETWORK, old={"size": 20}),
        step("delete", "urn:pulumi:s::p::aws:s3/bucket:Bucket::old", old={"acl": "private"}),
    ]:
        recorder.listen(EngineEvent.from_json(each))
    assert [each.name for each in recorder.graph()] == [each.name for each in recorder.plan()[0]]
    return {each.name: each for each in recorder.graph()}


def test_a_replacement_is_one_node_as_it_would_be(announced: dict[str, GraphNode]) -> None:
    database = announced["database"]
    assert database.operation is ResourceOperation.REPLACE
    assert database.inputs == {"size": 40, "subnet": "[unknown]", "password": "[secret]"}
    assert (database.type, database.parent, database.provider) == ("aws:rds/instance:Instance", "net", "aws")


def test_what_stays_and_what_goes_is_told(announced: dict[str, GraphNode]) -> None:
    assert announced["vpc"].operation is ResourceOperation.SAME
    assert announced["vpc"].inputs == {"cidr": "10.0.0.0/16"}
    assert (announced["net"].type, announced["net"].parent) == ("acme:net:Network", "")
    assert (announced["old"].operation, announced["old"].inputs) == (ResourceOperation.DELETE, {"acl": "private"})
    assert set(announced) == {"net", "vpc", "database", "old"}, "the stack itself is nothing that anybody asked for"


def test_what_is_deployed_is_read_from_the_state() -> None:
    resources = [
        {"urn": STACK, "type": "pulumi:pulumi:Stack"},
        {"urn": "urn:pulumi:s::p::pulumi:providers:aws::default", "type": "pulumi:providers:aws", "id": "1"},
        {"urn": NETWORK, "type": "acme:net:Network", "parent": STACK, "custom": False},
        {"urn": VPC, "type": "aws:ec2/vpc:Vpc", "parent": NETWORK, "id": "vpc-1", "inputs": {"cidr": "10.0.0.0/16"}},
        {
            "urn": DATABASE,
            "type": "aws:rds/instance:Instance",
            "parent": NETWORK,
            "id": "db-1",
            "dependencies": [VPC],
            "inputs": {"password": PASSWORD},
        },
        {"urn": DATABASE, "type": "aws:rds/instance:Instance", "id": "db-0", "delete": True},
    ]
    found = graph({"resources": resources})
    assert [(each.name, each.parent, each.depends_on) for each in found] == [
        ("net", "", ()),
        ("vpc", "net", ()),
        ("database", "net", ("vpc",)),
    ]
    assert found[2].inputs == {"password": "[secret]"}
