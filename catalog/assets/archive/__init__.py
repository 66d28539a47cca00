"""The archive of a package: building it, reading it without trust, and its digests."""

from catalog.assets.archive.build import ARCHIVE_SUFFIX, PackageFile, archive_name, build_archive, read_tree
from catalog.assets.archive.digests import Digests, FileEntry, manifest_digest, sha256, tree_digest
from catalog.assets.archive.limits import LIMITS, Limits
from catalog.assets.archive.read import Archive, read_archive, read_file

__all__ = [
    "ARCHIVE_SUFFIX",
    "LIMITS",
    "Archive",
    "Digests",
    "FileEntry",
    "Limits",
    "PackageFile",
    "archive_name",
    "build_archive",
    "manifest_digest",
    "read_archive",
    "read_file",
    "read_tree",
    "sha256",
    "tree_digest",
]
