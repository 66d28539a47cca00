"""The doctor names what is missing and how to get it; its exit status says whether environments can be made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def _doctor(data: Path, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "workers.doctor", "--json"],
        env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin", "SLIPWAY_DATA": str(data), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    report = json.loads(done.stdout)
    assert report["ready"] is (done.returncode == 0)
    return done.returncode, {finding["name"]: finding for finding in report["findings"]}


def test_every_part_of_the_machine_is_reported(tmp_path: Path) -> None:
    _, findings = _doctor(tmp_path)
    assert set(findings) == {
        *(
            "python",
            "git",
            "pulumi",
            "opa",
            "haproxy",
            "isolation",
            "bounds",
            "sandbox",
            "database",
            "redis",
            "front-end",
            "disk",
            "ports",
        ),
        "chromium",
    }
    assert findings["database"]["verdict"] == "found"
    assert findings["redis"]["verdict"] == "found"


def test_a_missing_engine_says_how_to_get_it(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    code, findings = _doctor(tmp_path, PATH=str(tmp_path), SLIPWAY_TOOLS_DIR=str(tools))
    assert code == 1
    assert findings["pulumi"]["verdict"] == "missing"
    assert "python -m workers.engine.pulumi_cli" in findings["pulumi"]["remedy"]
    assert findings["git"]["verdict"] == "missing"
    assert "apt install git" in findings["git"]["remedy"]


def test_servers_that_do_not_answer_are_named_with_their_variables(tmp_path: Path) -> None:
    code, findings = _doctor(
        tmp_path,
        SLIPWAY_DATABASE_URL="postgresql+psycopg://nobody@/none?host=/nonexistent",
        SLIPWAY_REDIS_URL="unix:///nonexistent/redis.sock",
    )
    assert code == 1
    assert "SLIPWAY_DATABASE_URL" in findings["database"]["remedy"]
    assert "SLIPWAY_REDIS_URL" in findings["redis"]["remedy"]


def test_a_wrong_setting_is_said_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers.doctor"],
        env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin", "SLIPWAY_DATA": str(tmp_path), "PORT": "many"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("slipway: ")
    assert "Traceback" not in done.stderr
