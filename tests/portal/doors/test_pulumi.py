"""Pulumi with what comes out of the index: a program uses an installed component, the command reads its schema."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.settings import load_settings
from workers.engine import pulumi_cli

pytestmark = pytest.mark.engine

# The class of the fixture ``portal_`` lives in conftest.py, which test files do not import.
Portal = Any
COMPONENT = b'''"""A component that names things."""

from typing import TypedDict

import pulumi


class NamesArgs(TypedDict):
    prefix: pulumi.Input[str]
    """What every name begins with."""


class Names(pulumi.ComponentResource):
    bucket: pulumi.Output[str]
    """The name of the bucket."""

    def __init__(self, name: str, args: NamesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("acme-names:index:Names", name, {}, opts)
        self.bucket = pulumi.Output.from_input(args["prefix"]).apply(lambda prefix: f"{prefix}-bucket")
        self.register_outputs({"bucket": self.bucket})
'''
PROGRAM = """
import sys
from pulumi import automation
import pulumi

def program():
    from acme_names import Names
    names = Names("names", {"prefix": "acme"})
    pulumi.export("bucket", names.bucket)

stack = automation.create_or_select_stack(stack_name="dev", project_name="uses-a-component", program=program)
outputs = stack.up().outputs
kinds = sorted(each["type"] for each in stack.export_stack().deployment["resources"])
stack.destroy()
print(outputs["bucket"].value, *kinds)
"""


@pytest.fixture
def pulumi(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs a command with the real engine and a state of its own."""
    cli = pulumi_cli.ensure(load_settings().tools_dir)
    (tmp_path / "state").mkdir()
    environment = {
        "PATH": f"{cli.path.parent}:{os.defpath}",
        "HOME": str(tmp_path),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(command), capture_output=True, text=True, timeout=240, env={**environment, **variables}, cwd=tmp_path
        )

    return run


def test_a_program_uses_a_component_from_the_index(
    portal_: Portal,
    new_wheel: Callable[..., tuple[str, bytes]],
    pulumi: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    wheel = new_wheel("acme-names", metadata="Requires-Dist: pulumi>=3\n", files={"acme_names/__init__.py": COMPONENT})
    assert portal_.uv_publish(portal_.keep(wheel)).returncode == 0
    target = portal_.folder / "installed"
    installed = portal_.uv_pip("--target", str(target), "acme-names==1.0.0")
    assert installed.returncode == 0, installed.stderr
    assert (target / "acme_names" / "PulumiPlugin.yaml").is_file()
    ran = pulumi(sys.executable, "-c", PROGRAM, PYTHONPATH=str(target))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["acme-bucket", "acme-names:index:Names", "pulumi:pulumi:Stack"]


def test_the_command_reads_the_schema_that_is_served(
    portal_: Portal,
    new_wheel: Callable[..., tuple[str, bytes]],
    pulumi: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    wheel = new_wheel("acme-names", metadata="Requires-Dist: pulumi>=3\n", files={"acme_names/__init__.py": COMPONENT})
    assert portal_.uv_publish(portal_.keep(wheel)).returncode == 0
    address = f"{portal_.url}/api/v1/assets/acme/acme-names/versions/1.0.0/artifacts/pulumi-schema.json"
    served = httpx.get(address, headers={"Authorization": f"Bearer {portal_.token}"}, timeout=60)
    assert served.status_code == 200, served.text
    path = tmp_path / "pulumi-schema.json"
    path.write_bytes(served.content)
    read = pulumi("pulumi", "package", "get-schema", str(path))
    assert read.returncode == 0, read.stderr
    (token,) = json.loads(read.stdout)["resources"]
    assert token.endswith(":index:Names")
