"""``slipway asset pack``: a folder of assets as archives, each with signed provenance and a signed publication."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from catalog.assets.archive import archive_name
from catalog.assets.check import check_archive, check_directory
from catalog.assets.package import Package
from catalog.attestations.local_signing import SigningHand
from catalog.attestations.predicates import PROVENANCE, PUBLISH
from catalog.attestations.signatures import PublicKey, key_id, load_public_key, pem
from catalog.settings import Settings
from portal.cli.errors import CommandError
from portal.cli.installation import environment_settings
from portal.cli.output import Output, json_option
from portal.cli.packages import epoch_option
from portal.cli.proofs import prove
from portal.cli.provenance import BUNDLE_SUFFIX, provenance_of
from portal.cli.release_key import release_hand

INDEX = "index.json"
PUBLIC_KEY = "release-key.pub"
_SAID = (("provenance", PROVENANCE), ("publish", PUBLISH))


@dataclass(frozen=True, eq=False)
class Packed:
    """One packed asset: its archive, and the bundles that are proven to be about it and signed by the release key."""

    package: Package
    data: bytes
    bundles: tuple[Path, ...]
    key: PublicKey

    @property
    def digest(self) -> str:
        """SHA-256 of the archive, in hexadecimal."""
        return self.package.digests.blob

    @property
    def reference(self) -> str:
        """How others name it: ``namespace/name@version``."""
        metadata = self.package.manifest.metadata
        return f"{metadata.namespace}/{metadata.name}@{metadata.version}"

    @property
    def file_name(self) -> str:
        """The name of its archive."""
        metadata = self.package.manifest.metadata
        return archive_name(metadata.namespace, metadata.name, metadata.version)


@click.command("pack")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--output", "target", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where to.")
@epoch_option
@json_option
def pack(directory: Path, target: Path, epoch: int, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Pack every asset below DIRECTORY and sign what the build says of each.

    Beside each archive lie two Sigstore bundles: SLSA provenance, and what it is as a version. The release key is the
    one that SLIPWAY_RELEASE_KEY and SLIPWAY_RELEASE_SIGNER name; without them it is a file beside the output, made
    the first time. What is signed already and has not changed is left as it is.
    """
    output = Output(as_json=as_json)
    document = pack_folder(directory, target, environment_settings(), epoch=epoch)

    def show(_: object) -> None:
        output.line(f"{target} holds {len(document['assets'])} assets, signed by {document['key_id']}.")

    output.result(document, show)


def pack_folder(source: Path, target: Path, settings: Settings, *, epoch: int = 0) -> dict[str, Any]:
    """Pack and sign every asset below ``source`` into ``target``; return what ``index.json`` says.

    The release key is kept beside ``target`` where no setting names one. Raises ``CommandError`` for an asset that
    could not be published, or a key that cannot be used.
    """
    hand = release_hand(settings, target.absolute().parent)
    target.mkdir(parents=True, exist_ok=True)
    (target / PUBLIC_KEY).write_text(pem(hand.public), encoding="ascii")
    assets = [_pack(manifest.parent, target, hand, epoch) for manifest in sorted(source.rglob("asset.yaml"))]
    kept = {name for each in assets for name in (each["archive"], *each["bundles"])}
    for old in target.glob("*.tar.gz*"):
        if old.name not in kept:
            old.unlink()
    document = {"sources": sources_digest(source), "key_id": key_id(hand.public), "assets": assets}
    (target / INDEX).write_text(f"{json.dumps(document, indent=1)}\n", encoding="utf-8")
    return document


def read_packed(folder: Path, trusted: PublicKey | None = None) -> Iterator[Packed]:
    """Yield what a build has packed, each asset with its bundles, verified; ``trusted`` is the key they must be by.

    Without ``trusted`` it is the key that lies beside them. Raises ``CommandError`` for what is not as it was signed.
    """
    document = read_index(folder)
    if document is None:
        raise CommandError(f"{folder} holds no packed assets.", "Make them with: slipway asset pack DIR --output DIR")
    key = trusted or public_key(folder / PUBLIC_KEY)
    for each in document["assets"]:
        archive = folder / Path(each["archive"]).name
        data = archive.read_bytes()
        bundles = tuple(folder / Path(name).name for name in each["bundles"])
        _verify(data, bundles, key)
        package = check_archive(data).package
        if package is None:
            raise CommandError(f"{archive} is no archive of an asset.")
        yield Packed(package, data, bundles, key)


def read_index(folder: Path) -> dict[str, Any] | None:
    """Return what a build has written about its assets; None where there is no build."""
    try:
        document = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CommandError(f"{folder / INDEX} cannot be read: {error}.") from None
    return document if isinstance(document, dict) else None


def public_key(path: Path) -> PublicKey:
    """Return the public key in a PEM file; raise ``CommandError`` where there is none."""
    try:
        return load_public_key(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def sources_digest(folder: Path) -> str:
    """Return what tells one state of the sources from another: the files below a folder, and Slipway's version."""
    digest = hashlib.sha256(version("slipway").encode())
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"\0{path.relative_to(folder)}\0{path.stat().st_mode & 0o111:o}\0{content}".encode())
    return digest.hexdigest()


def _pack(directory: Path, target: Path, hand: SigningHand, epoch: int) -> dict[str, Any]:
    checked, data = check_directory(directory, mtime=epoch)
    if checked.package is None or checked.errors:
        details = tuple(str(finding) for finding in checked.errors)
        raise CommandError(f"The asset in {directory} cannot be published.", details=details)
    metadata, digests = checked.package.manifest.metadata, checked.package.digests
    archive = target / archive_name(metadata.namespace, metadata.name, metadata.version)
    bundles = tuple(archive.with_name(f"{archive.name}.{word}{BUNDLE_SUFFIX}") for word, _ in _SAID)
    if not _is_signed(archive, data, bundles, hand.public):
        subject, provenance = provenance_of(checked, directory, epoch)
        publication = {
            "asset": f"{metadata.namespace}/{metadata.name}",
            "version": metadata.version,
            "kind": checked.package.manifest.kind,
            "tree": f"sha256:{digests.tree}",
            "manifest": f"sha256:{digests.manifest}",
        }
        archive.write_bytes(data)
        for path, (_, kind), said in zip(bundles, _SAID, (provenance, publication), strict=True):
            path.write_bytes(hand.bundle([subject], kind, said))
    return {
        "asset": f"{metadata.namespace}/{metadata.name}",
        "version": metadata.version,
        "archive": archive.name,
        "digest": f"sha256:{digests.blob}",
        "bundles": [path.name for path in bundles],
    }


def _is_signed(archive: Path, data: bytes, bundles: Sequence[Path], key: PublicKey) -> bool:
    try:
        if archive.read_bytes() != data:
            return False
        _verify(data, bundles, key)
    except (OSError, CommandError):
        return False
    return True


def _verify(data: bytes, bundles: Sequence[Path], key: PublicKey) -> None:
    """Raise ``CommandError`` unless each kind of statement is there, about these bytes and by this key."""
    digest = hashlib.sha256(data).hexdigest()
    said = set()
    for path in bundles:
        try:
            said.add(prove(path, digest, [key])["predicate_type"])
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    missing = [word for word, kind in _SAID if kind not in said]
    if missing:
        raise CommandError(f"sha256:{digest} has no signed {' and no signed '.join(missing)} beside it.")
