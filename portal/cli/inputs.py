"""Inputs as they are typed: ``--set name=text``, ``--set name:=json`` and ``--values FILE``; and durations.

A text becomes what the asset's schema wants in its place, a number for example; JSON stays what it is.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from portal.cli.client import Client
from portal.cli.errors import ProblemError

_ASSET = re.compile(r"\s*([a-z0-9-]+)/([a-z0-9-]+)")
_EXACT = re.compile(r"[0-9][0-9A-Za-z.+-]*")
_ONE_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:[A-Za-z+-][0-9A-Za-z.+-]*)?")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")


def read_inputs(settings: Iterable[str], values: str | None) -> dict[str, Any]:
    """Return the inputs of a request: those of the file ``values`` (``-`` is standard input), then ``settings``."""
    inputs = _read_file(values) if values else {}
    for setting in settings:
        name, value = _read_setting(setting)
        inputs[name] = value
    return inputs


def typed_inputs(
    client: Client,
    asset: str,
    settings: Iterable[str],
    values: str | None,
    example: str | None = None,
    *,
    target: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the inputs of a request with the texts of ``settings`` as what the schema of ``asset`` wants.

    They start from the preset ``example`` of the asset, before which those of the file ``values`` go: that of the one
    version that ``asset`` names, or of the newest, and of that what an install takes that goes to ``target``. Where the
    schema cannot be had they stay texts, and the server says what it thinks of them.
    """
    settings = tuple(settings)
    inputs = {**_preset(client, asset, example, target or {}), **read_inputs(settings, values)}
    names = {setting.partition("=")[0] for setting in settings}
    texts = {name for name in names if not name.endswith(":") and isinstance(inputs.get(name), str)}
    match = _ASSET.match(asset)
    if not texts or match is None:
        return inputs
    exact = _exact(asset, match)
    version = {"version": exact} if exact else {}
    try:
        found = client.get(f"/overlays/{match[1]}/{match[2]}/inputs", version)
    except ProblemError:
        return inputs
    # Reading schemas takes a while to load, which commands without inputs do not wait for.
    from catalog.forms.coercion import coerced  # noqa: PLC0415

    return coerced(found["input_schema"], inputs, texts)


def _exact(asset: str, match: re.Match[str]) -> str:
    """Return the one version that an asset is asked for in, "" where it may be several."""
    exact = asset[match.end() :].strip().lstrip("@=").strip()
    return exact if _EXACT.fullmatch(exact) else ""


def _preset(client: Client, asset: str, example: str | None, target: Mapping[str, Any]) -> dict[str, Any]:
    if example is None:
        return {}
    match = _ASSET.match(asset)
    if match is None:
        raise click.BadParameter(f"{asset!r} names no asset whose preset it could be.", param_hint="--example")
    version = _exact(asset, match)
    if asset[match.end() :].strip() and not _ONE_VERSION.fullmatch(version):
        name = match[0].strip()
        raise click.BadParameter(
            f"a preset is one version's, and {asset!r} may be several. Write {name}@1.2.0, or {name} for the newest.",
            param_hint="--example",
        )
    found = _named(client, f"{match[1]}/{match[2]}", version or "latest", example)
    if not target.get("component"):
        return found
    return _taken(client, client.get(f"/assets/{match[1]}/{match[2]}/versions/{version or 'latest'}"), found, target)


def _taken(
    client: Client, version: Mapping[str, Any], preset: dict[str, Any], target: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what of a preset an install with that target takes: of several components, the inputs of its own alone.

    How many a package has is what its checks found. The only one takes its inputs as they are, named or not.
    """
    if version["kind"] != "component-package" or not target.get("component"):
        return preset
    # Reading schemas takes a while to load, which commands without components do not wait for.
    from catalog.assets.component_schemas import ARTIFACT, input_schemas  # noqa: PLC0415

    path = f"/assets/{version['namespace']}/{version['name']}/versions/{version['version']}/artifacts/{ARTIFACT}"
    if len(input_schemas(client.get(path))) < 2:  # several is more than one
        return preset
    return {name: value for name, value in preset.items() if name == target["component"]}


def preset_of_upgrade(
    client: Client, install: Mapping[str, Any], wanted: str | None, example: str
) -> tuple[str, dict[str, Any]]:
    """Return the version to go to, and what its preset ``example`` changes of an install.

    That is the version ``wanted``, or the newest: a preset is one version's. What was decided with the first install
    stays, and so do secrets; of a package of several components only what the install's own takes is changed.
    """
    if install["becomes"] == "pin":
        raise click.UsageError("a pin takes no inputs, which a preset would give it.")
    if wanted and not _ONE_VERSION.fullmatch(wanted.strip().lstrip("=").strip()):
        raise click.BadParameter(
            f"a preset is one version's, and {wanted!r} may be several. Name one, such as --to 1.2.0.",
            param_hint="--example",
        )
    exact = (wanted or "latest").strip().lstrip("=").strip()
    version = client.get(f"/assets/{install['asset']}/versions/{exact}")
    found = _named(client, install["asset"], version["version"], example)
    schema = version["input_schema"] or {}
    # Reading presets takes a while to load, which commands without them do not wait for.
    from catalog.installs.presets import changeable  # noqa: PLC0415

    taken = _taken(client, version, found, install["target"])
    return version["version"], changeable(taken, version["manifest"], schema)


def _named(client: Client, asset: str, version: str, example: str) -> dict[str, Any]:
    found = client.get(f"/assets/{asset}/versions/{version}/examples")["items"]
    known: dict[str, dict[str, Any]] = {each["name"]: each["inputs"] for each in found}
    if example not in known:
        names = ", ".join(known) or "none"
        raise click.BadParameter(f"{asset} has no preset {example!r}; it has {names}.", param_hint="--example")
    return known[example]


def _read_setting(setting: str) -> tuple[str, Any]:
    name, equals, value = setting.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":")
    if not equals or not name:
        raise click.BadParameter(f"{setting!r} is not of the form name=text or name:=json.", param_hint="--set")
    if not is_json:
        return name, value
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"what follows {name}:= is not JSON ({error}).", param_hint="--set") from None


def _read_file(values: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if values == "-" else Path(values).read_text(encoding="utf-8")
        # JSON is YAML; a YAML time is a text in JSON, which this turns it into as well.
        loaded = json.loads(json.dumps(yaml.safe_load(text), default=str))
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{values} cannot be read: {error}.", param_hint="--values") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        where = " ".join(str(error).split())
        raise click.BadParameter(f"{values} is neither YAML nor JSON: {where}.", param_hint="--values") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise click.BadParameter(f"{values} does not hold names with values.", param_hint="--values")
    return loaded


class Duration(click.ParamType[str]):
    """A duration: ISO 8601 (``PT8H``, ``P3D``), or short for it (``8h``, ``3d``, ``1d12h``, ``90m``)."""

    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the duration in ISO 8601."""
        text = value.strip()
        if text.startswith("P"):
            return text
        match = _DURATION.fullmatch(text)
        if match is None or not any(match.groups()):
            self.fail(f"{value!r} is not a duration; write one such as 8h, 3d or PT8H.", param, ctx)
        days, hours, minutes, seconds = match.groups()
        time = "".join(f"{part}{unit}" for part, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if part)
        return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "")
