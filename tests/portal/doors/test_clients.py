"""The standard doors with the clients themselves: twine, uv publish, pip and uv pip, over real HTTP."""

from collections.abc import Callable
from typing import Any

# The class of the fixture ``portal_`` lives in conftest.py, which test files do not import.
Portal = Any
NewWheel = Callable[..., tuple[str, bytes]]


def test_twine_publishes_and_pip_installs(portal_: Portal, new_wheel: NewWheel) -> None:
    wheel = portal_.keep(new_wheel(version="1.0.0"))
    first = portal_.twine(wheel)
    assert first.returncode == 0, first.stdout + first.stderr
    assert portal_.twine(wheel).returncode == 0, "the same file again is accepted"
    other = portal_.keep(new_wheel(version="1.0.0", description="Other bytes.\n"))
    refused = portal_.twine("--verbose", other)
    assert refused.returncode == 1
    assert "File already exists" in refused.stdout
    wrong = portal_.twine(wheel, password="slw_wrong")
    assert wrong.returncode == 1
    assert "401" in wrong.stdout + wrong.stderr

    assert portal_.twine(portal_.keep(new_wheel(version="1.1.0"))).returncode == 0
    portal_.call("/assets/acme/acme-network/versions/1.1.0/yank", "It leaks.")
    target = portal_.folder / "newest"
    installed = portal_.pip("--target", str(target), "acme-network")
    assert installed.returncode == 0, installed.stderr
    assert (target / "acme_network-1.0.0.dist-info").is_dir(), "a yanked version is not chosen"
    pinned = portal_.pip("--target", str(portal_.folder / "pinned"), "acme-network==1.1.0")
    assert pinned.returncode == 0
    assert "It leaks." in pinned.stderr

    missing = portal_.pip("--target", str(target), "nothing-like-this")
    assert "No matching distribution found for nothing-like-this" in missing.stderr
    stranger = portal_.index.replace(portal_.token, "slw_wrong")
    refused = portal_.pip("--no-input", "--target", str(target), "acme-network", index=stranger)
    assert refused.returncode == 1
    assert "from versions: none" in refused.stderr


def test_uv_publishes_and_installs(portal_: Portal, new_wheel: NewWheel) -> None:
    wheel = portal_.keep(new_wheel(version="1.0.0"))
    first = portal_.uv_publish(wheel)
    assert first.returncode == 0, first.stderr
    assert portal_.uv_publish(wheel).returncode == 0, "the same file again is accepted"
    refusals = {
        "File already exists.": portal_.uv_publish(portal_.keep(new_wheel(description="Other bytes.\n"))),
        "The token is not known": portal_.uv_publish(portal_.keep(new_wheel()), password="slw_wrong"),
        "A version has three numbers": portal_.uv_publish(portal_.keep(new_wheel(version="1.0"))),
    }
    for said, refused in refusals.items():
        assert refused.returncode != 0
        assert said in refused.stderr
    target = portal_.folder / "newest"
    installed = portal_.uv_pip("--target", str(target), "acme-network")
    assert installed.returncode == 0, installed.stderr
    assert (target / "acme_network-1.0.0.dist-info").is_dir()
    missing = portal_.uv_pip("--target", str(target), "nothing-like-this")
    assert "was not found in the package registry" in missing.stderr
    stranger = portal_.index.replace(portal_.token, "slw_wrong")
    assert "401 Unauthorized" in portal_.uv_pip("--target", str(target), "acme-network<1", index=stranger).stderr


def test_other_bytes_than_were_locked_are_refused(portal_: Portal, new_wheel: NewWheel) -> None:
    portal_.twine(portal_.keep(new_wheel()))
    locked = portal_.folder / "requirements.txt"
    locked.write_text(f"acme-network==1.0.0 --hash=sha256:{'0' * 64}\n")
    arguments = ("--target", str(portal_.folder / "locked"), "--require-hashes", "-r", str(locked))
    for refused, said in (
        (portal_.pip(*arguments), "DO NOT MATCH THE HASHES"),
        (portal_.uv_pip(*arguments), "Hash mismatch"),
    ):
        assert refused.returncode == 1
        assert said in refused.stderr
