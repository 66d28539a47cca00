"""What is found in wheels of every sort: sound ones pass, hostile ones are named and never unpacked."""

import base64
import hashlib
import io
import stat
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.assets.kinds import kinds
from workers.upload_checks import Bench, program
from workers.upload_checks.component_package import CHECK
from workers.upload_checks.programs.inspect_wheel import inspect

LIMITS = {"files": 50, "unpacked": 2_000_000, "ratio": 100, "path": 240}
NAME = "acme_network-1.0.0-py3-none-any.whl"
INFO = "acme_network-1.0.0.dist-info"
Entries = dict[str, bytes | None]


def record(content: dict[str, bytes]) -> bytes:
    lines = []
    for path, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    return "\n".join([*lines, f"{INFO}/RECORD,,", ""]).encode()


def content(**changes: bytes | None) -> dict[str, bytes]:
    found: Entries = {
        "acme_network/__init__.py": b"",
        "acme_network/PulumiPlugin.yaml": b"runtime: python\n",
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: acme-network\nVersion: 1.0.0\n",
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **changes,
    }
    kept = {path: data for path, data in found.items() if data is not None}
    return {**kept, f"{INFO}/RECORD": changes.get(f"{INFO}/RECORD") or record(kept)}


def packed(entries: Iterable[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as wheel:
        for name, data in entries:
            wheel.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def look(tmp_path: Path) -> Callable[[bytes], list[str]]:
    """Return what names the rules that a wheel breaks."""

    def rules(data: bytes) -> list[str]:
        path = tmp_path / NAME
        path.write_bytes(data)
        return [each["rule"] for each in inspect(path, LIMITS)["findings"]]

    return rules


Look = Callable[[bytes], list[str]]


def test_a_sound_wheel_passes(look: Look) -> None:
    assert look(packed(content().items())) == []
    assert look(packed(content().items(), zipfile.ZIP_STORED)) == []


@pytest.mark.parametrize(
    "name",
    ["../outside.py", "/etc/cron.d/x", "a\\b.py", "a/../../b", "C:/x", "a//b", "./a", "a\nb", "x" * 300, "a\u0308"],
)
def test_unsafe_names(look: Look, name: str) -> None:
    assert "wheel-path" in look(packed(content(**{name: b""}).items()))


def test_a_name_that_stands_twice_or_differs_by_case_alone(look: Look) -> None:
    entries = [*content().items(), ("acme_network/__init__.py", b"evil")]
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = packed(entries)
    assert "wheel-duplicate" in look(twice)
    assert "wheel-duplicate" in look(packed(content(**{"Acme_Network/__init__.py": b""}).items()))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices(look: Look, kind: int) -> None:
    entry = zipfile.ZipInfo("acme_network/link")
    entry.external_attr = (kind | 0o777) << 16
    assert "wheel-type" in look(packed([*content().items(), (entry, b"/etc/passwd")]))


def test_bombs(look: Look) -> None:
    assert look(packed(content(**{"acme_network/zeros": b"\0" * 3_000_000}).items())) == ["wheel-bomb"]
    many = {f"acme_network/f{number}.py": b"" for number in range(60)}
    assert "wheel-files" in look(packed(content(**many).items()))


def test_a_size_that_is_not_what_comes_out(look: Look) -> None:
    data = bytearray(packed(content(**{"acme_network/zeros": b"\0" * 1_500_000}).items()))
    # The directory at the end says that it is small.
    place = data.rindex(b"acme_network/zeros") - 46 + 24
    data[place : place + 4] = (10).to_bytes(4, "little")
    assert look(bytes(data)) != []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({f"{INFO}/RECORD": b"acme_network/__init__.py,sha256=AAAA,0\n"}, "wheel-record"),
        ({f"{INFO}/RECORD": b"gone.py,,\n"}, "wheel-record"),
        ({f"{INFO}/RECORD": b"one,two\n"}, "wheel-record"),
        ({f"{INFO}/RECORD": b"\xff\xfe"}, "wheel-record"),
        ({f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: other\nVersion: 1.0.0\n"}, "wheel-metadata"),
        ({f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: acme-network\nVersion: 2.0.0\n"}, "wheel-metadata"),
        ({f"{INFO}/METADATA": None}, "wheel-metadata"),
        ({f"{INFO}/WHEEL": None}, "wheel-info"),
        ({f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n"}, "wheel-platform"),
        ({f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: cp311-none-any\n"}, "wheel-info"),
        ({"other-1.0.0.dist-info/METADATA": b""}, "wheel-info"),
        ({"acme_network-1.0.0.data/scripts/pip": b"#!/bin/sh\n"}, "wheel-data"),
        ({"evil.pth": b"import os\n"}, "wheel-startup"),
        ({"sitecustomize.py": b""}, "wheel-startup"),
        ({"acme_network/native.so": b"\x7fELF"}, "wheel-native"),
        ({"acme_network/old.pyc": b""}, "wheel-native"),
        ({"json/__init__.py": b""}, "wheel-shadow"),
        ({"pulumi/__init__.py": b""}, "wheel-shadow"),
        ({"acme_network/PulumiPlugin.yaml": None}, "wheel-plugin"),
        ({"acme_network/PulumiPlugin.yaml": b"runtime: nodejs\n"}, "wheel-plugin"),
    ],
)
def test_what_a_wheel_of_components_may_not_be(look: Look, changes: Entries, rule: str) -> None:
    assert rule in look(packed(content(**changes).items()))


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"PK\x03\x04 and no more", b"not a zip", b"#!/bin/sh\n" + packed(content().items())]
)
def test_what_is_no_wheel(look: Look, data: bytes) -> None:
    assert look(data) == ["wheel-damaged"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=12))
def test_damage_is_found_and_never_raises(tmp_path: Path, changes: list[tuple[float, int]]) -> None:
    data = bytearray(packed(content().items()))
    for place, value in changes:
        data[int(place * len(data))] = value
    path = tmp_path / NAME
    path.write_bytes(data)
    result: Any = inspect(path, LIMITS)
    assert isinstance(result["findings"], list)
    assert all(each["rule"].startswith("wheel-") and each["message"] and each["fix"] for each in result["findings"])


def test_programs_of_the_sandbox_are_files() -> None:
    assert all(program(name).is_file() for name in ("inspect_wheel", "analyze_components", "render_pipelines"))
    assert CHECK.name in kinds()
    assert Bench.__doc__
