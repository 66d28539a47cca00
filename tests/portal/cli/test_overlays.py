"""Narrowing inputs on the command line, against the real portal."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Slipway = Callable[..., CompletedProcess[str]]


def test_inputs_are_narrowed_by_a_file(slipway: Slipway, signed_in: dict[str, str], blueprint: Path) -> None:
    asset = f"acme/{blueprint.name}"
    rule = "{rules: [{pointer: /greeting, maxLength: 40, reason: It has to fit}]}"
    wide = rule.replace("40", "4000")
    assert slipway("overlay", "show", asset, env=signed_in).returncode == 4
    assert slipway("overlay", "check", asset, "-", env=signed_in, stdin=wide).returncode == 1
    refused = slipway("overlay", "set", asset, "-", env=signed_in, stdin=wide)
    assert refused.returncode == 1
    assert "/rules/0" in refused.stderr
    made = slipway("overlay", "set", asset, "-", env=signed_in, stdin=rule)
    assert made.returncode == 0, made.stderr
    assert "max_length 40" in made.stdout
    assert slipway("overlay", "check", asset, env=signed_in).returncode == 0
    shown = json.loads(slipway("overlay", "show", asset, "--json", env=signed_in).stdout)
    assert shown["revision"] == 1
    assert asset in slipway("overlay", "show", env=signed_in).stdout
    assert slipway("overlay", "remove", asset, env=signed_in).returncode == 0
    assert "removed" in slipway("overlay", "show", asset, "--history", env=signed_in).stdout
