"""A provider of a pretended cloud, as a plugin that Pulumi has fetched: each thing is a file in a folder."""

import stat
import sys
from pathlib import Path

VERSION = "1.0.0"
_SOURCE = '''#!PYTHON
"""Things that are files; one whose size begins with "held" is made once nothing of the name "hold" is beside them."""
import asyncio
import json
import os
import socket
import sys
import uuid
from pathlib import Path

from pulumi.provider.experimental import provider as engine
from pulumi.provider.experimental import server
from pulumi.provider.experimental.property_value import PropertyValue

WORLD = Path("WORLD_FOLDER")


def named(properties):
    return {**properties, "address": PropertyValue(f"thing-{properties['size'].value}")}


def met():
    """Say what of the machine's identity a provider meets: names of variables, and why a metadata service is silent."""
    told = {}
    for host in ("169.254.169.254", "169.254.170.2", "127.0.0.1"):
        try:
            socket.create_connection((host, 80), timeout=3).close()
            told[host] = "answers"
        except OSError as error:
            told[host] = type(error).__name__
    return {"variables": dict(os.environ), "services": told}


class Demo(engine.Provider):
    async def get_schema(self, request):
        return engine.GetSchemaResponse("{}")

    async def check_config(self, request):
        return engine.CheckResponse(request.new_inputs, None)

    async def diff_config(self, request):
        return engine.DiffResponse(changes=False)

    async def configure(self, request):
        return engine.ConfigureResponse(accept_secrets=True)

    async def check(self, request):
        return engine.CheckResponse(request.new_inputs, None)

    async def diff(self, request):
        old, new = request.old_state, request.new_inputs
        changed = [name for name in new if name not in old or old[name].value != new[name].value]
        return engine.DiffResponse(changes=bool(changed), diffs=changed)

    async def create(self, request):
        made = uuid.uuid4().hex
        size = request.properties["size"].value
        if size == "curious":
            (WORLD.parent / "met.json").write_text(json.dumps(met()))
        if size.startswith("held"):
            (WORLD.parent / "holding").touch()
            while (WORLD.parent / "hold").exists():
                await asyncio.sleep(0.05)
        (WORLD / made).write_text(size)
        return engine.CreateResponse(made, named(request.properties))

    async def update(self, request):
        (WORLD / request.resource_id).write_text(request.news["size"].value)
        return engine.UpdateResponse(named(request.news))

    async def delete(self, request):
        if (WORLD.parent / "stubborn").exists():
            raise ValueError((WORLD.parent / "stubborn").read_text())
        (WORLD / request.resource_id).unlink()

    async def cancel(self):
        pass


server.main(sys.argv[1:], "VERSION", Demo())
'''
COMPONENTS = '''
"""Shelves of things."""
from typing import Optional, TypedDict

import pulumi


class Thing(pulumi.CustomResource):
    address: pulumi.Output[str]

    def __init__(self, name: str, size: str, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        options = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version="1.0.0"))
        super().__init__("demo:index:Thing", name, {"size": size, "address": None}, options)


class ShelfArgs(TypedDict):
    sizes: list[str]
    """How large each thing is."""
    token: Optional[pulumi.Input[str]]


class Shelf(pulumi.ComponentResource):
    """Some things beside each other."""

    addresses: pulumi.Output[str]
    """Where they are."""
    token: pulumi.Output[str]

    def __init__(self, name: str, args: ShelfArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("things:index:Shelf", name, {}, opts)
        here = pulumi.ResourceOptions(parent=self)
        things = [Thing(f"{name}-{size}", size, here) for size in args["sizes"]]
        self.addresses = pulumi.Output.all(*[each.address for each in things]).apply(lambda each: ", ".join(each))
        self.token = pulumi.Output.from_input(args.get("token"))
        HARM
        self.register_outputs({})
'''


def install_plugin(data: Path) -> Path:
    """Put the provider where an engine that works in ``data`` keeps plugins; return the folder of its things."""
    world = data / "things"
    world.mkdir(exist_ok=True)
    folder = data / "engine" / "plugins" / f"resource-demo-v{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    plugin = folder / "pulumi-resource-demo"
    text = _SOURCE.replace("PYTHON", sys.executable).replace("WORLD_FOLDER", str(world)).replace("VERSION", VERSION)
    plugin.write_text(text)
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    return world


def components(harm: str = "pass") -> dict[str, bytes]:
    """Return the modules of a package with one component; ``harm`` is a statement of its making."""
    source = COMPONENTS.replace("HARM", harm)
    return {"things/__init__.py": source.encode(), "things/PulumiPlugin.yaml": b"runtime: python\n"}
