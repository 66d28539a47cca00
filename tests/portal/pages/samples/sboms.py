"""Bills of materials: nothing asked, found, found nowhere, a question that cannot be read, and one document."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from catalog.attestations.sboms.models import MakingState, RegistryKind, SbomFormat
from catalog.attestations.sboms.shapes import (
    MakingRead,
    PackageRead,
    Place,
    RegistryRead,
    SbomRead,
    VersionCount,
    Whereabouts,
)
from catalog.errors import FieldError
from catalog.gating import VerdictSummary
from catalog.releases.models import ReleaseRead, ServiceRead
from portal.pages.registries import RegistriesPage
from portal.pages.releases import ReleasePage
from portal.pages.render import Page
from portal.pages.sboms import Materials, SbomPage, SbomsPage

ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"
SBOM = SbomRead(
    id=ID,
    attestation_id=ID,
    format=SbomFormat.CYCLONEDX,
    spec_version="1.6",
    serial=f"urn:uuid:{ID}",
    about="acme/web 1.0.0",
    made_by="cyclonedx-py 11.12.0, slipway 0.1.0",
    components=412,
    packages=410,
    is_complete=True,
    document_digest="9f86d081" * 8,
    size=120_000,
    signer="acme signing key",
    subjects=["sha256:" + "9f86d081" * 8],
    indexed_at=NOW,
    owned=True,
)
SPDX = SBOM.model_copy(
    update={"format": SbomFormat.SPDX, "spec_version": "2.3", "about": LONG, "is_complete": False, "signer": LONG}
)
PACKAGES = [
    PackageRead(package="pkg:npm/lodash", version="4.17.20", purl="pkg:npm/lodash@4.17.20", licenses=["MIT"]),
    PackageRead(package=f"pkg:pypi/{LONG}", version="", purl=f"pkg:pypi/{LONG}", licenses=[]),
    PackageRead(package="pkg:cargo/serde", version=LONG, purl="pkg:cargo/serde", licenses=["MIT", "Apache-2.0", LONG]),
]


def _making(state: MakingState, detail: str) -> MakingRead:
    return MakingRead(
        thing=f"asset-versions/{ID}",
        label="acme/web@1.0.0",
        digest="ab" * 32,
        state=state,
        detail=detail,
        generator="",
        made_at=NOW,
    )


MATERIALS = Materials([SBOM, SPDX], PACKAGES, [_making(MakingState.MADE, "Not read: content/go.mod: ValueError.")])
NO_MATERIALS = Materials(makings=[_making(MakingState.NOT_POSSIBLE, f"syft is missing. {LONG}")])


def _place(kind: str, label: str, version: str, *, certain: bool, through: str = "") -> Place:
    return Place.model_validate(
        {
            "kind": kind,
            "id": ID,
            "label": label,
            "version": version,
            "certain": certain,
            "through": through,
            "digest": "sha256:" + "9f" * 32,
            "sboms": [ID],
        }
    )


FOUND = Whereabouts(
    package="pkg:npm/lodash",
    asked="<4.17.21",
    versions=[
        VersionCount(version="4.17.21", sboms=12, holds=False),
        VersionCount(version="4.17.20", sboms=3, holds=True),
        VersionCount(version="", sboms=1, holds=None),
    ],
    environments=[_place("environment", "pr-42-hello", "4.17.20", certain=True, through="acme/web@1.0.0")],
    releases=[_place("release", LONG, "", certain=False, through=LONG)],
    assets=[_place("asset", "acme/web@1.0.0", "4.17.20", certain=True)],
    is_cut=True,
)
RELEASE = ReleaseRead(
    id=ID,
    service="web",
    version="1.4.0",
    repository="https://git.example.com/acme/web",
    commit="9fceb02d0ae598e95dc970b74767f19372d61af8",
    environment_id=None,
    pipeline=None,
    artifacts=[],
    notes="",
    verdict=VerdictSummary(),
    created_by="ci",
    created_at=NOW,
)
SERVICE = ServiceRead(id=ID, name="web", repository=RELEASE.repository, owner="", labels={}, created_at=NOW)
NOWHERE = Whereabouts(
    package=f"pkg:pypi/{LONG}", asked="", versions=[], environments=[], releases=[], assets=[], is_cut=False
)


def _registry(host: str, **more: Any) -> RegistryRead:
    known = {"kind": RegistryKind.OCI, "username": "", "has_secret": False, "may_push": False, "problem": ""}
    moments = {"used_at": None, "created_at": NOW}
    return RegistryRead(id=ID, host=host, created_by="Ann", **{**known, **moments, **more})


def _registry_pages() -> dict[str, Page]:
    refused = "registry.example.com has no sha256:9f86d0818840 of acme/web (404)."
    named = [
        _registry("registry.example.com", username="slipway", has_secret=True, may_push=True, used_at=NOW),
        _registry(f"{LONG}.example.com:5000", used_at=NOW, problem=refused),
        _registry("npm.example.com", kind=RegistryKind.NPM, has_secret=True),
    ]
    errors = (FieldError("/host", "String should match pattern"), FieldError("/may_push", "Give a secret."))
    return {
        "registries": RegistriesPage(named, may_change=True),
        "registries-empty": RegistriesPage([], may_change=False),
        "registries-errors": RegistriesPage([], may_change=True, values={"host": "a b"}, errors=errors),
    }


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    return {
        **_registry_pages(),
        "sboms": SbomsPage(sboms=[SBOM, SPDX], next_href="/sboms?cursor=x"),
        "sboms-empty": SbomsPage(),
        "sboms-found": SbomsPage("pkg:npm/lodash", "<4.17.21", FOUND),
        "sboms-nowhere": SbomsPage(f"pkg:pypi/{LONG}", "", NOWHERE),
        "sboms-invalid": SbomsPage("lodash", "<<", error="Write a package URL.", range_error="No bound."),
        "release-made-of": ReleasePage(RELEASE, SERVICE, [], materials=MATERIALS),
        "release-not-described": ReleasePage(RELEASE, SERVICE, [], materials=NO_MATERIALS),
        "release-made-of-nothing": ReleasePage(RELEASE, SERVICE, [], materials=Materials([SBOM])),
        "release-undescribed": ReleasePage(RELEASE, SERVICE, [], materials=Materials()),
        "sbom": SbomPage(SBOM, PACKAGES, next_href="/sboms?cursor=x"),
        "sbom-empty": SbomPage(SPDX, []),
    }
