"""Finding the Pulumi command, and what is said where it cannot be had."""

import subprocess
import sys
from pathlib import Path

import pytest

from catalog.settings import load_settings
from workers.engine import EngineError, ErrorKind, pulumi_cli


def command(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True)
    path = directory / "pulumi"
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


def test_command_on_path_is_taken_before_our_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = command(tmp_path / "bin", "v3.300.1")
    command(tmp_path / "tools" / "pulumi" / "v3.250.0" / "bin", "v3.250.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert pulumi_cli.find(tmp_path / "tools") == pulumi_cli.PulumiCli(on_path, (3, 300, 1))


def test_command_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path / "bin", "v3.9.0")
    command(tmp_path / "tools" / "pulumi" / "v3.210.0" / "bin", "v3.210.0")
    newest = command(tmp_path / "tools" / "pulumi" / "v3.250.0" / "bin", "v3.250.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert pulumi_cli.find(tmp_path / "tools") == pulumi_cli.PulumiCli(newest, (3, 250, 0))


def test_missing_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pulumi_cli, "INSTALLER_HOST", "installer.invalid")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(EngineError, match="Install Pulumi") as caught:
        pulumi_cli.ensure(tmp_path / "tools")

    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert "installer.invalid cannot be reached; Go is not installed" in caught.value.message


def test_failed_build_is_reported_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = command(tmp_path / "bin", "no such module")
    go.rename(go.with_name("go")).write_text("#!/bin/sh\necho fetching; echo no space left; exit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(pulumi_cli, "INSTALLER_HOST", "installer.invalid")
    lines: list[str] = []

    with pytest.raises(EngineError, match="the build failed: no space left"):
        pulumi_cli.ensure(tmp_path / "tools", lines.append)

    assert lines[-2:] == ["fetching", "no space left"]
    assert list((tmp_path / "tools" / "pulumi").glob("tmp*")) == []


@pytest.mark.engine
def test_module_prints_the_path_of_a_command_that_runs() -> None:
    tools = load_settings().tools_dir

    done = subprocess.run([sys.executable, "-m", "workers.engine.pulumi_cli"], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    path = done.stdout.strip()
    assert pulumi_cli.find(tools) == pulumi_cli.ensure(tools)
    version = subprocess.run([path, "version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("v3.")
