"""What the door of components lets through to the engine and what it keeps out, whoever knocks, without an engine."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

from workers.engine import EngineError, ErrorKind, StackProgram, StackRef
from workers.engine.backend import command_environment
from workers.engine.components.language import door
from workers.engine.components.monitor import STACK, Monitor
from workers.engine.components.part_monitor import PartMonitor
from workers.engine.operations import Operations
from workers.engine.wire import Job

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
KEY = json.dumps({"type": "service_account", "private_key": "k", "token_uri": "https://oauth2.googleapis.com/token"})


class Engine:
    """Stands for the engine's own monitor: it keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def take(self, request: Any) -> None:
        """Keep a request."""
        self.told.append(request)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        """Keep a request; answer with a URN."""
        self.take(request)
        return resource_pb2.RegisterResourceResponse(urn=urn_of(request))

    RegisterResourceOutputs = Invoke = take


def urn_of(request: Any) -> str:
    """Return the URN that stands for a resource."""
    return f"urn:pulumi:s::p::{request.type}::{request.name}"


class RefusalError(Exception):
    """What the door says no with."""


class Context:
    """Stands for the call: it ends as gRPC's does."""

    def abort(self, code: Any, why: str) -> None:
        """End the call."""
        raise RefusalError(code, why)


def register(kind: str, properties: dict[str, Any], engine: Engine | None = None, **fields: Any) -> Any:
    """Register a resource; return what the engine was told."""
    request = resource_pb2.RegisterResourceRequest(type=kind, name="p", **{"custom": True, **fields})
    request.object.update(properties)
    engine = engine or Engine()
    Monitor(engine, ("demo",)).RegisterResource(request, Context())
    return engine.told[-1]


def wrapped(value: Any, signature: str = SECRET) -> dict[str, Any]:
    """Return a value as the protocol marks secrets."""
    return {SIGNATURE: signature, "value": value, "secret": True}


@pytest.mark.parametrize(
    "properties",
    [
        {"__internal": {"pluginDownloadURL": "http://127.0.0.1/evil"}},
        {"__internal": {"name": "command"}},
        {"__internal": wrapped({"name": "command"})},
        {"pluginDownloadURL": "http://127.0.0.1/evil"},
        {"pluginChecksums": {}},
        {"name": "command"},
        {"parameterization": {"name": "command", "version": "1.0.0", "value": ""}},
        {"endpoints": "[]"},
        {"sharedCredentialsFiles": '["/etc/passwd"]'},
        {"profile": "default"},
        {"assumeRoleWithWebIdentity": '{"webIdentityTokenFile": "/etc/passwd"}'},
        {"useMsi": "true"},
        {"useMsi": True},
        {"useMsi": UNKNOWN},
        {"useOidc": wrapped("true")},
        {"skipMetadataApiCheck": "false"},
        {"skipMetadataApiCheck": wrapped(UNKNOWN)},
        {"oidcTokenFilePath": "/etc/passwd"},
        {"environment": "usgovernment"},
        {"metadataHost": "127.0.0.1"},
        {"region": "x.evil.example/#"},
        {"region": {"a": "b"}},
        {"credentials": "/etc/passwd"},
        {"credentials": " {}"},
        {"credentials": "{}"},
        {"credentials": "{no key"},
        {"credentials": UNKNOWN},
        {"credentials": {SIGNATURE: OUTPUT}},
        {"credentials": wrapped("/etc/passwd")},
        {"credentials": wrapped(wrapped("/etc/passwd"), OUTPUT)},
        {"credentials": {SIGNATURE: ASSET, "text": KEY}},
        {"credentials": [KEY]},
        {"credentials": '{"type": "external_account", "token_url": "http://127.0.0.1"}'},
        {"credentials": '{"type": "service_account", "type": "external_account"}'},
        {"credentials": '{"type": "service_account", "Type": "external_account"}'},
        {"credentials": '{"type": "service_account", "token_uri": "http://127.0.0.1"}'},
        {"credentials": '{"type": "service_account", "private_key": {"file": "/etc/passwd"}}'},
    ],
)
def test_no_provider_is_set_up_to_read_what_is_the_workers(properties: dict[str, Any]) -> None:
    engine = Engine()
    for custom in (True, False):
        with pytest.raises(RefusalError, match=rf"p sets {next(iter(properties))}"):
            register("pulumi:providers:demo", properties, engine, custom=custom)
    assert engine.told == []


def test_a_provider_is_what_its_type_says_and_nothing_else() -> None:
    given = {
        "region": "eu-west-1",
        "location": UNKNOWN,
        "secretKey": wrapped("s"),
        "credentials": wrapped(wrapped(KEY), OUTPUT),
        "defaultTags": '{"tags": {"a": "b"}}',
        "skipMetadataApiCheck": True,
        "useMsi": "false",
    }
    told = register("pulumi:providers:demo", given, version="1.0.0")
    assert told.object.fields["__internal"].WhichOneof("kind") == "struct_value"
    assert not told.object.fields["__internal"].struct_value.fields
    del told.object.fields["__internal"]
    assert dict(told.object) == dict(register("demo:index:Thing", given).object)


@pytest.mark.parametrize(
    ("kind", "custom"),
    [
        ("pulumi:providers:command", True),
        ("pulumi:providers:command", False),
        ("pulumi:providers:", False),
        ("pulumi:pulumi:StackReference", True),
        (STACK, True),
        ("command:local:Command", True),
    ],
)
def test_types_of_other_packages_are_kept_out(kind: str, *, custom: bool) -> None:
    with pytest.raises(RefusalError, match="components may use: demo"):
        register(kind, {}, custom=custom)


def test_functions_are_told_no_files_and_outputs_count() -> None:
    monitor = Monitor(Engine(), ("demo",), most=4)
    shelf = resource_pb2.RegisterResourceRequest(type="things:index:Shelf", name="u")
    monitor.RegisterResource(shelf, Context())
    asked = resource_pb2.ResourceInvokeRequest(tok="demo:index:read")
    monitor.Invoke(asked, Context())
    asked.args.update({"deep": [{SIGNATURE: ASSET, "path": "/etc/passwd"}]})
    with pytest.raises(RefusalError, match="names a file by its path"):
        monitor.Invoke(asked, Context())
    monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn_of(shelf)), Context())
    with pytest.raises(RefusalError, match="more resources"):
        monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn_of(shelf)), Context())


OTHERS = urn_of(resource_pb2.RegisterResourceRequest(type="pulumi:providers:demo", name="others"))
STACK_URN = "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s"


@pytest.fixture
def engine() -> Engine:
    """What stands behind the door, and has been told of another component's resources already."""
    return Engine()


@pytest.fixture(params=[Monitor, PartMonitor])
def monitor(request: Any, engine: Engine) -> Monitor:
    """Return a door through which a provider ``own``, a thing and a shelf have gone."""
    made = Monitor(engine, ("demo",)) if request.param is Monitor else PartMonitor(engine, ("demo",), STACK_URN)
    for kind, name, custom in (
        ("pulumi:providers:demo", "own", True),
        ("demo:index:Thing", "thing", True),
        ("things:index:Shelf", "shelf", False),
    ):
        each = resource_pb2.RegisterResourceRequest(type=kind, name=name, custom=custom)
        made.RegisterResource(each, Context())
    return made


def test_only_own_providers_are_used_though_all_have_one_id_while_previewing(monitor: Monitor, engine: Engine) -> None:
    own = OTHERS.replace("others", "own")
    monitor.RegisterResource(thing(provider=f"{own}::{UNKNOWN}"), Context())
    monitor.RegisterResource(thing(providers={"demo": f"{own}::{UNKNOWN}"}), Context())
    monitor.Invoke(resource_pb2.ResourceInvokeRequest(tok="demo:index:read", provider=f"{own}::{UNKNOWN}"), Context())
    told = len(engine.told)
    for other in (f"{OTHERS}::{UNKNOWN}", f"{urn_of(thing())}::{UNKNOWN}", own, "x", f"::{UNKNOWN}"):
        with pytest.raises(RefusalError, match="a provider that the component did not set up"):
            monitor.RegisterResource(thing(provider=other), Context())
        with pytest.raises(RefusalError, match="a provider that the component did not set up"):
            monitor.RegisterResource(thing(custom=False, providers={"demo": other}), Context())
        with pytest.raises(RefusalError, match="a provider that the component did not set up"):
            monitor.Invoke(resource_pb2.ResourceInvokeRequest(tok="demo:index:read", provider=other), Context())
    assert len(engine.told) == told


def test_nothing_becomes_a_child_of_what_others_made_and_gets_their_providers(monitor: Monitor, engine: Engine) -> None:
    monitor.RegisterResource(thing(parent=urn_of(thing())), Context())
    told = len(engine.told)
    with pytest.raises(RefusalError, match="belongs to what the component did not make"):
        monitor.RegisterResource(thing(parent="urn:pulumi:s::p::things:index:Shelf::others"), Context())
    assert len(engine.told) == told


def test_outputs_are_told_of_own_components_alone(monitor: Monitor, engine: Engine) -> None:
    shelf = resource_pb2.RegisterResourceRequest(type="things:index:Shelf", name="shelf")
    monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn_of(shelf)), Context())
    told = len(engine.told)
    for urn in ("urn:pulumi:s::p::things:index:Shelf::others", STACK_URN.replace("p-s", "p-s2"), urn_of(thing()), ""):
        with pytest.raises(RefusalError, match="outputs of what is no component of its own"):
            monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn), Context())
    assert len(engine.told) == told


def thing(**fields: Any) -> Any:
    """Return the request for a thing."""
    given = {"type": "demo:index:Thing", "name": "thing", "custom": True, **fields}
    return resource_pb2.RegisterResourceRequest(**given)


def test_the_door_takes_no_message_of_any_size() -> None:
    request = resource_pb2.RegisterResourceRequest(type="demo:index:Thing", name="p", custom=True)
    request.object.update({"size": "x" * 5 * 1024 * 1024})
    engine = Engine()
    with door(Monitor(engine, ("demo",))) as socket, grpc.insecure_channel(f"unix:{socket}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            resource_pb2_grpc.ResourceMonitorStub(channel).RegisterResource(request)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert engine.told == []


def job(folder: Path, cli: str = "/bin/false") -> Job:
    """Return a preview whose command is another."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    stack, program = StackRef("components", "shelf"), StackProgram(resources=())
    state = f"file://{folder}"
    return Job("preview", stack, str(work), str(folder), state, cli, "3.250.0", {}, program, {}, "p")


@pytest.mark.parametrize(
    ("resources", "off"),
    [
        ([{"type": "demo:index:Thing", "outputs": {"type": "pulumi:providers:evil"}}], "true"),
        ([{"type": "pulumi:providers:slipway"}], "true"),
        ([{"type": "pulumi:providers:demo"}], "false"),
        (None, "true"),
    ],
)
def test_only_providers_of_a_state_have_plugins_fetched(tmp_path: Path, resources: Any, off: str) -> None:
    state = tmp_path / ".pulumi" / "stacks" / "components" / "shelf.json"
    state.parent.mkdir(parents=True)
    latest = None if resources is None else {"resources": resources}
    state.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "shelf", "latest": latest}}), "utf-8")
    assert command_environment(job(tmp_path))["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == off


def test_a_stopped_preview_leaves_no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "command"
    command.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n')
    command.chmod(0o755)

    def cancelled(*_: Any, **__: Any) -> None:
        raise EngineError(ErrorKind.CANCELLED, "the operation was cancelled")

    monkeypatch.setattr(Operations, "_stack", cancelled)
    with pytest.raises(EngineError) as stopped:
        Operations(job(tmp_path, str(command)), lambda _: None, lambda: True).run()
    assert stopped.value.kind is ErrorKind.CANCELLED
    assert (tmp_path / "told").read_text() == "--non-interactive stack rm --yes --stack shelf\n"
