"""`slipway up` says what keeps it from starting before it starts anything, and puts data where it is of use."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

from workers.embedded import data as data_module
from workers.embedded.accounts import Account, can_reach
from workers.embedded.data import settle
from workers.embedded.hold import Hold
from workers.embedded.keys import ensure_master_key
from workers.embedded.sockets import close_run_directory, open_run_directory

_ROOT = Path(__file__).parents[3]


def _up(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.embedded", "--data", str(data), *arguments],
        env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _existing(tmp_path: Path) -> Path:
    # An existing directory is used where it is, even where applications could not reach theirs.
    data = tmp_path / "data"
    data.mkdir()
    return data


def test_a_port_in_use_is_named_with_its_holder_and_its_variable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _up(_existing(tmp_path), "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} for the portal is in use by process {os.getpid()}" in done.stderr
    assert "choose another with PORT" in done.stderr
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_second_start_on_one_data_directory_is_refused_and_names_the_first(tmp_path: Path) -> None:
    data = _existing(tmp_path)
    hold = Hold(data / "supervisor.lock").take("the data directory")
    hold.sign(os.getpid())
    done = _up(data, "--port", str(_free_port()))
    hold.release()
    assert done.returncode == 1
    assert f"is already in use by process {os.getpid()}; stop it first" in done.stderr


def test_a_wrong_setting_is_said_in_one_line(tmp_path: Path) -> None:
    done = _up(tmp_path / "data", "--port", "99999")
    assert done.returncode == 2
    assert done.stderr.startswith("slipway: ")
    assert "Traceback" not in done.stderr


def test_a_worker_alone_needs_a_database_and_a_queue(tmp_path: Path) -> None:
    done = _up(_existing(tmp_path), "--worker-only")
    assert done.returncode == 2
    assert "SLIPWAY_DATABASE_URL" in done.stderr


def test_the_master_key_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = ensure_master_key(tmp_path / "keys")
    key = path.read_bytes()
    assert ensure_master_key(tmp_path / "keys").read_bytes() == key
    assert len(key.strip()) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_data_below_a_closed_directory_is_linked_to_where_applications_can_reach_theirs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    said: list[str] = []
    place = settle(home / "clone" / ".data", said.append)
    try:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert (home / "clone" / ".data").resolve() == place
        assert settle(home / "clone" / ".data", said.append) == place
        if os.geteuid() == 0:
            assert place.parent == data_module.SYSTEM_DATA
            assert can_reach(place / "environments", Account(65533, 65533))
            assert len(said) == 2
        assert stat.S_IMODE(place.stat().st_mode) & 0o066 == 0
    finally:
        place.rmdir()


def test_data_that_is_there_is_not_moved(tmp_path: Path) -> None:
    data = _existing(tmp_path)
    said: list[str] = []
    assert settle(data, said.append) == data.resolve()
    assert said == []


def test_sockets_move_to_a_short_place_and_back(tmp_path: Path) -> None:
    usual = tmp_path / ("long" * 20) / "run"
    made = open_run_directory(usual)
    assert len(str(made)) < 70
    assert (usual / "elsewhere").read_text().strip() == str(made)
    close_run_directory(usual)
    assert not made.exists()
    assert not (usual / "elsewhere").exists()
