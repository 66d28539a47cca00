"""Building a component package around a wheel: everything that its manifest says is taken from the wheel itself."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from email.utils import getaddresses
from typing import Any
from urllib.parse import urlsplit

import yaml
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from catalog.assets.archive import PackageFile
from catalog.assets.archive.names import MANIFEST, TOP_FILES
from catalog.assets.errors import InvalidVersionError
from catalog.assets.located import DocumentRefusedError, load_yaml
from catalog.assets.manifest import API_VERSION
from catalog.assets.references import is_name
from catalog.assets.versions import parse_version
from catalog.distributions.errors import WheelRefusedError
from catalog.distributions.service import KIND
from catalog.distributions.wheels import Wheel, opened, read_entry

UNSTATED = "LicenseRef-unstated"
"""What stands for the licence where a wheel states none."""
_OWN = re.compile(r"[^/]+/slipway/(.+)")
_OWN_FOLDERS = ("docs/", "examples/", "tests/")
_OWN_SIZE = 8 * 1024 * 1024
_OWN_FILES = 500
_LICENSE_FILE = re.compile(r"[^/]+\.dist-info/(?:licenses/|license_files/)?(?:LICENSE|LICENCE|COPYING)(?:\.\w+)?")
_TEXT_SIZE = 512 * 1024
_CLOUDS = {"pulumi-azure-native": "azure", "pulumi-azure": "azure", "pulumi-aws": "aws", "pulumi-gcp": "gcp"}
_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
}


def wrap(wheel: Wheel, data: bytes, tenant: str) -> dict[str, PackageFile]:
    """Return the files of a component package that holds ``wheel``; they depend on the arguments alone.

    The asset is the one that a project URL called "Slipway" leads to (``.../assets/NAMESPACE/NAME``), else one in the
    namespace called as the tenant, named after the project. Files in a folder ``slipway/`` of the import package are
    taken over as the package's own; an ``asset.yaml`` among them says what METADATA cannot, and wins over it. Raises
    ``WheelRefusedError``.
    """
    with opened(data) as archive:
        own = dict(_own_files(archive))
        license_text = _license_file(archive)
    manifest = _merged(_derived(wheel, tenant), _own_manifest(own))
    _check(manifest, wheel)
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=1000)
    files = {"README.md": _readme(wheel).encode(), **own, MANIFEST: text.encode()}
    if license_text is not None:
        files.setdefault("LICENSE", license_text)
    files[f"content/dist/{wheel.filename}"] = data
    return {path: PackageFile(content) for path, content in files.items()}


def _own_files(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    total = count = 0
    for entry in archive.infolist():
        match = _OWN.fullmatch(entry.filename)
        if match is None or entry.is_dir() or entry.filename.partition("/")[0].endswith((".dist-info", ".data")):
            continue
        path = match[1]
        total += entry.file_size
        count += 1
        if total > _OWN_SIZE or count > _OWN_FILES:
            raise WheelRefusedError("The wheel's slipway/ folder is too large.", "Leave out what is not needed.")
        if path not in TOP_FILES and not path.startswith(_OWN_FOLDERS):
            raise WheelRefusedError(
                f"slipway/{ascii(path)[1:-1][:80]} has no place in a package.",
                "Use the names of the package format, such as slipway/asset.yaml or slipway/docs/.",
            )
        yield path, read_entry(archive, entry)


def _license_file(archive: zipfile.ZipFile) -> bytes | None:
    found = sorted(
        (entry for entry in archive.infolist() if _LICENSE_FILE.fullmatch(entry.filename)),
        key=lambda each: each.filename,
    )
    return read_entry(archive, found[0]) if found and found[0].file_size <= _TEXT_SIZE else None


def _own_manifest(own: Mapping[str, bytes]) -> dict[str, Any]:
    if MANIFEST not in own:
        return {}
    try:
        value = load_yaml(own[MANIFEST], f"slipway/{MANIFEST}").value
    except DocumentRefusedError as refusal:
        raise WheelRefusedError(f"{refusal.finding}", "Correct it and build the wheel again.") from None
    if not isinstance(value, dict):
        raise WheelRefusedError(f"slipway/{MANIFEST} is not a mapping.", "Write names and values.")
    return value


def _derived(wheel: Wheel, tenant: str) -> dict[str, Any]:
    fields = wheel.fields
    namespace, name = _asset_of(fields.get("project_urls", {})) or (tenant, wheel.project)
    shown = fields.get("name", wheel.project)
    summary = " ".join(fields.get("summary", "").split()) or shown
    metadata: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "version": str(wheel.version),
        "displayName": shown[:63],
        "summary": summary if len(summary) <= 160 else f"{summary[:159]}…",
        "license": _license(wheel),
        "keywords": [each[:63] for each in _keywords(wheel)][:20],
        "links": list(_links(wheel))[:20],
        "maintainers": list(_maintainers(wheel))[:20],
    }
    requirements = [
        re.split(r"[^A-Za-z0-9._-]", each.strip(), maxsplit=1)[0] for each in fields.get("requires_dist", ())
    ]
    clouds = sorted({_CLOUDS[each] for each in requirements if each in _CLOUDS})
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": {
            "runtime": "python",
            "wheel": f"content/dist/{wheel.filename}",
            **({"clouds": clouds} if clouds else {}),
        },
    }


def _merged(derived: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = {**derived, **own}
    for part in ("metadata", "spec"):
        stated = own.get(part, {})
        merged[part] = {**derived[part], **stated} if isinstance(stated, dict) else stated
    return merged


def _check(manifest: Mapping[str, Any], wheel: Wheel) -> None:
    """Refuse what the package's own check would put down to a manifest that the publisher never wrote."""
    metadata = manifest["metadata"]
    if not isinstance(metadata, dict):
        return  # the check of the package says so
    if manifest["kind"] != KIND:
        raise WheelRefusedError(f"A wheel is published as a {KIND}.", f"Write kind: {KIND}, or leave it out.")
    for part in ("namespace", "name"):
        if not isinstance(metadata[part], str) or not is_name(metadata[part]):
            raise WheelRefusedError(
                f"{ascii(metadata[part])[:80]} cannot be the {part} of an asset: it takes lower-case letters, digits "
                "and inner dashes, at most 63.",
                f"Name another in slipway/{MANIFEST}, or in a project URL called Slipway that ends in "
                "/assets/NAMESPACE/NAME.",
            )
    try:
        same = parse_version(str(metadata["version"])).canonical == parse_version(str(wheel.version)).canonical
    except InvalidVersionError as error:
        raise WheelRefusedError(f"{error.text} is not accepted as a version. {error.reason}", error.fix) from None
    if not same:
        raise WheelRefusedError(f"slipway/{MANIFEST} names another version than the wheel.", "Leave it out there.")


def _asset_of(urls: Mapping[str, str]) -> tuple[str, str] | None:
    for label, url in urls.items():
        if label.strip().lower() == "slipway":
            match = re.search(r"(?:^|/)assets/([^/]+)/([^/]+?)/?$", urlsplit(url.strip()).path)
            if match is None:
                raise WheelRefusedError(
                    "The project URL called Slipway does not lead to an asset.", "End it in /assets/NAMESPACE/NAME."
                )
            return match[1], match[2]
    return None


def _license(wheel: Wheel) -> str:
    stated = wheel.fields.get("license_expression") or wheel.fields.get("license", "")
    try:
        return canonicalize_license_expression(stated)
    except InvalidLicenseExpression:
        classified = [_CLASSIFIERS[each] for each in wheel.fields.get("classifiers", ()) if each in _CLASSIFIERS]
        return " OR ".join(dict.fromkeys(classified)) or UNSTATED


def _keywords(wheel: Wheel) -> list[str]:
    stated = wheel.fields.get("keywords", [])
    split = [part.strip() for each in stated for part in re.split(r"[,\s]+" if len(stated) == 1 else r",", each)]
    return list(dict.fromkeys(each for each in split if each))


def _links(wheel: Wheel) -> Iterator[dict[str, str]]:
    stated = dict(wheel.fields.get("project_urls", {}))
    if home := wheel.fields.get("home_page"):
        stated.setdefault("Homepage", home)
    for label, url in stated.items():
        if label.strip() and re.fullmatch(r"https?://\S{1,1990}", url.strip()) and label.strip().lower() != "slipway":
            yield {"name": label.strip()[:63], "url": url.strip()}


def _maintainers(wheel: Wheel) -> Iterator[dict[str, str]]:
    stated = [wheel.fields.get("maintainer_email", ""), wheel.fields.get("author_email", "")]
    for name, address in getaddresses([each for each in stated if each]):
        if re.fullmatch(r"[^@\s]+@[^@\s]+", address) and len(address) <= 254:
            yield {"name": (name.strip() or address.partition("@")[0])[:63], "email": address}


def _readme(wheel: Wheel) -> str:
    text = wheel.fields.get("description", "").strip()
    shown = wheel.fields.get("name", wheel.project)
    if not text:
        summary = wheel.fields.get("summary", "").strip()
        return f"# {shown}\n\n{summary}\n" if summary else f"# {shown}\n"
    kind = wheel.fields.get("description_content_type", "").partition(";")[0].strip().lower()
    if kind == "text/markdown":
        return f"{text}\n"
    fence = "`" * (max((len(each) for each in re.findall(r"`+", text)), default=0) + 3)
    return f"# {shown}\n\n{fence}text\n{text}\n{fence}\n"
