"""The delivery scripts of the curated pipelines, run as runners would, beside a command that only writes down calls."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.blueprints.shared_files import SHARED

COMMAND = """#!/bin/sh
# Stands for the real command at the edge of the script: it writes down how it was called.
echo "$*" >> "$CALLS"
case "$1 $2" in
  "approvals ask") [ -e "$CALLS.asked" ] && exit "$ANSWER"; touch "$CALLS.asked"; exit 3 ;;
  "release create") echo '{"id": "r1"}' ;;
esac
"""
FILES = "--file dist/it.tar.gz --file dist/it.whl"


def test_on_azure_a_push_is_released_under_the_number_of_its_run(tmp_path: Path) -> None:
    done, calls = on_azure(tmp_path, BUILD_SOURCEBRANCH="refs/heads/main")
    assert done.returncode == 0, done.stderr
    assert [call.split()[:4] for call in calls] == [
        ["release", "create", "it", "20261126.1"],
        ["policy", "evaluate", "--release", "r1"],
    ]


def test_on_azure_a_tag_names_its_release_as_on_github(tmp_path: Path) -> None:
    _, calls = on_azure(tmp_path, BUILD_SOURCEBRANCH="refs/tags/v1.2.0")
    assert calls[0].startswith("release create it v1.2.0 ")
    assert "github.ref_type == 'tag' && github.ref_name" in _step("Record the release")["env"]["VERSION"]


def test_on_azure_a_release_is_recorded_once_it_is_approved(tmp_path: Path) -> None:
    _, calls = on_azure(tmp_path, BUILD_SOURCEBRANCH="refs/tags/v1.2.0", APPROVAL="True")
    asked = "approvals ask releases/it@v1.2.0 --title Release it v1.2.0 --link "
    assert [call.startswith(asked) for call in calls[:2]] == [True, True]
    assert [call.split()[0] for call in calls] == ["approvals", "approvals", "release", "policy"]
    assert {_artifacts(call) for call in calls[:3]} == {FILES}, "what is approved is what is released, all of it"


def test_on_azure_nothing_is_recorded_where_it_is_denied(tmp_path: Path) -> None:
    done, calls = on_azure(tmp_path, BUILD_SOURCEBRANCH="refs/tags/v1.2.0", APPROVAL="True", ANSWER="1")
    assert done.returncode == 1
    assert [call.split()[0] for call in calls] == ["approvals", "approvals"]


@pytest.mark.parametrize(("answer", "status"), [("0", 0), ("1", 1)])
@pytest.mark.parametrize("image", ["", "registry.example.com/it"])
def test_on_github_the_step_waits_until_there_is_an_answer(
    answer: str, status: int, image: str, tmp_path: Path
) -> None:
    of_image = {"IMAGE": image, "DIGEST": f"sha256:{'2' * 64}" if image else ""}
    given = {"SERVICE": "it", "VERSION": "7.1", "RUN": "https://example.com/7", "ANSWER": answer, **of_image}
    done, calls = _run(_step("Wait for the approval")["run"], tmp_path, given)
    assert done.returncode == status, done.stderr
    expected = "approvals ask releases/it@7.1 --title Release it 7.1 --link https://example.com/7"
    released = f"--artifact oci-image={image}@sha256:{'2' * 64}" if image else FILES
    assert calls == [f"{expected} {released}"] * 2
    assert set(_step("Wait for the approval")["env"]) >= {"IMAGE", "DIGEST"}


def on_azure(folder: Path, **given: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the last script of the delivery on a folder with two files; return how it ended and the calls it made."""
    steps = yaml.safe_load((SHARED / "pipelines" / "azure" / "slipway" / "deliver.yml").read_text())["steps"]
    known = {
        "BUILD_BUILDNUMBER": "20261126.1",
        "BUILD_BUILDID": "7",
        "BUILD_REPOSITORY_URI": "https://git.example.com/acme/it",
        "BUILD_SOURCEVERSION": "0" * 40,
        "SYSTEM_COLLECTIONURI": "https://devops.example.com/acme/",
        "SYSTEM_TEAMPROJECT": "it",
        "AGENT_TEMPDIRECTORY": str(folder),
        "SERVICE": "it",
        "OWNER": "team-payments",
        "FILES": "dist",
        "APPROVAL": "False",
        "IMAGE": "",
        "DIGEST": "",
        "ENVIRONMENT": "",
        "STRATEGY": "",
        "ANSWER": "0",
    }
    return _run(steps[-1]["script"], folder, {**known, **given})


def _artifacts(call: str) -> str:
    """Return what a call says that the release consists of."""
    return " ".join(re.findall(r"--(?:file|artifact) \S+", call))


def _step(name: str) -> dict[str, Any]:
    """Return one step of the delivery on GitHub."""
    workflow = yaml.safe_load((SHARED / "pipelines" / "github" / "slipway-deliver.yml").read_text())
    found: dict[str, Any] = next(each for each in workflow["jobs"]["deliver"]["steps"] if each.get("name") == name)
    return found


def _run(script: str, folder: Path, given: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    (folder / "dist").mkdir()
    for name in ("it.tar.gz", "it.whl"):
        (folder / "dist" / name).write_bytes(name.encode())
    tools, calls = folder / "tools", folder / "calls"
    tools.mkdir()
    for name, text in {
        "slipway": COMMAND,
        "sleep": "#!/bin/sh\n",
        "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    environment = {"PATH": f"{tools}:{os.defpath}", "CALLS": str(calls), **given}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done, calls.read_text().splitlines() if calls.exists() else []
