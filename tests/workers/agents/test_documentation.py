"""The agent of docs/agents.md: a stranger's distribution adds it, and it does what the page says."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from catalog.db import Database
from catalog.environments.service import EphemeralEnvironmentService
from catalog.proposals.models import ProposalState
from catalog.releases.models import CreateRelease
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the one block of the page in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The distribution of the page, installed as pip lays it out."""
    project: Any = tomllib.loads(block("toml"))["project"]
    ((group, named),) = project["entry-points"].items()
    ((name, module),) = named.items()
    (tmp_path / f"{module}.py").write_text(block("python"), encoding="utf-8")
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
    return tmp_path


def test_the_agent_of_a_stranger_is_found(site: Path) -> None:
    program = (
        "import json; from workers.runtime.registry import discover_agents; "
        "print(json.dumps({name: [job.name for job in each.jobs()] for name, each in discover_agents().items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.defpath, "PYTHONPATH": f"{site}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert sorted(found) == ["ownerless", "supply_chain_compliance"]
    assert found["ownerless"] == ["agents.ownerless", "agents.ownerless_carry_out"]


def test_the_agent_of_the_page_does_what_the_page_says(
    site: Path, database: Database, settings: Settings, acme: Principal, work: Any, proposals: Any
) -> None:
    spec = spec_from_file_location("acme_agents", site / "acme_agents.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    for version, owner in (("1.0.0", None), ("1.1.0", "Ada")):
        asked = CreateRelease(service="web", version=version, commit="a" * 40, repository="r", owner=owner)
        with database.tenant_session(acme.tenant_id) as session:
            ReleaseService(session).create(acme, asked, EphemeralEnvironmentService(session, settings))
        work(module.AGENT)
    (proposal,) = proposals()
    assert (proposal.title, proposal.state) == ("Nobody answers for web", ProposalState.PROPOSED)
