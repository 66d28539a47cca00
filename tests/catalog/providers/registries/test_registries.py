"""Registries elsewhere: images by digest, packages, referrers, and what a hostile registry gets for it."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator

import pytest

from catalog.providers.registries import Access, Place, RegistryError, image_place, package_place
from catalog.providers.registries.npm import package_file
from catalog.providers.registries.oci import OciRegistry
from catalog.settings import Settings
from tests.registries import StandIn, digest_of, standing_in

Open = Callable[..., OciRegistry]
STATEMENT = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture
def registry() -> Iterator[StandIn]:
    with standing_in() as registry:
        yield registry


@pytest.fixture
def access(settings: Settings, registry: StandIn) -> Access:
    """Access as somebody whom the registry knows, to a host that an administrator has listed."""
    allowed = settings.model_copy(update={"internal_domains": (registry.host,)})
    return Access(registry.host, allowed, "slipway", registry.password)


@pytest.fixture
def image(access: Access) -> OciRegistry:
    return OciRegistry(access, "acme/web")


def names(layout: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(layout)) as archive:
        return {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]


def test_an_image_comes_as_a_layout_by_its_digest(registry: StandIn, image: OciRegistry) -> None:
    digest = registry.add_image(b"one layer", b"another")
    found = names(image.image(digest))
    (listed,) = json.loads(found["index.json"])["manifests"]
    assert listed["digest"] == digest
    assert {len(each) for each in found.values()} >= {len(b"one layer"), len(b"another")}
    assert found[f"blobs/sha256/{digest_of(b'another').removeprefix('sha256:')}"] == b"another"


def test_of_several_platforms_linux_on_amd64_is_taken(registry: StandIn, image: OciRegistry) -> None:
    arm, amd = registry.add_image(b"arm"), registry.add_image(b"amd")
    platforms = [(arm, "arm64"), (amd, "amd64")]
    listed = [
        {"mediaType": "x", "digest": each, "size": 1, "platform": {"os": "linux", "architecture": name}}
        for each, name in platforms
    ]
    index = registry.add_manifest(json.dumps({"manifests": listed}).encode(), "application/vnd.oci.image.index.v1+json")
    assert b"amd" in names(image.image(index)).values()


@pytest.mark.parametrize("age", ["newer", "older"])
def test_a_statement_is_attached_once_and_listed(registry: StandIn, image: OciRegistry, age: str) -> None:
    registry.knows_referrers = age == "newer"
    digest = registry.add_image(b"layer")
    first = image.refer(digest, b"{}statement", STATEMENT, {"dev.slipway.predicate-type": "sbom"})
    assert image.refer(digest, b"{}statement", STATEMENT, {"dev.slipway.predicate-type": "sbom"}) == first
    (referrer,) = registry.referrers(digest)
    assert (referrer["artifactType"], registry.blobs[referrer["layers"][0]["digest"]]) == (STATEMENT, b"{}statement")
    tag = registry.manifests.get(digest.replace(":", "-"))
    if registry.knows_referrers:
        assert tag is None
    else:
        assert tag is not None
        assert [each["digest"] for each in json.loads(tag[1])["manifests"]] == [first]


def test_what_is_not_what_it_says_is_refused(registry: StandIn, image: OciRegistry) -> None:
    digest = registry.add_image(b"layer")
    registry.blobs[digest_of(b"layer")] = b"other"
    with pytest.raises(RegistryError, match="no whole"):
        image.image(digest)
    registry.manifests[digest] = ("x", b"{}")
    with pytest.raises(RegistryError, match="something else"):
        image.image(digest)
    with pytest.raises(RegistryError, match="no sha256"):
        image.image(digest_of(b"nothing"))
    huge = {"layers": [{"digest": digest_of(b"x"), "size": 10**12}], "config": {"digest": digest_of(b"x"), "size": 1}}
    with pytest.raises(RegistryError, match="at most"):
        image.image(registry.add_manifest(json.dumps(huge).encode(), "x"))
    deep = registry.add_manifest(b"[" * 100_000, "x")
    with pytest.raises(RegistryError, match="no JSON"):
        image.image(deep)


def test_a_wrong_password_is_told_and_never_shown(registry: StandIn, access: Access) -> None:
    digest = registry.add_image(b"layer")
    stranger = Access(access.host, access.settings, "slipway", "wrong password")
    with pytest.raises(RegistryError, match="Check the credential") as refused:
        OciRegistry(stranger, "acme/web").image(digest)
    assert "wrong password" not in f"{refused.value} {stranger!r}"


def test_only_public_hosts_are_asked_and_credentials_stay_with_theirs(
    registry: StandIn, access: Access, settings: Settings
) -> None:
    digest = registry.add_image(b"layer")
    inside = Access(registry.host, settings, "slipway", registry.password)
    with pytest.raises(RegistryError, match="not a public host"):
        OciRegistry(inside, "acme/web").image(digest)
    assert registry.asked == []
    with standing_in() as other:
        other.files["/stolen"] = b"taken"
        registry.redirects[f"/v2/acme/web/blobs/{digest_of(b'layer')}"] = f"http://{other.host}/stolen"
        with pytest.raises(RegistryError, match=r"public host|by https"):
            OciRegistry(access, "acme/web").image(digest)
        listed = access.settings.model_copy(update={"internal_domains": (registry.host, other.host)})
        with pytest.raises(RegistryError, match="no whole"):
            OciRegistry(Access(registry.host, listed, "slipway", registry.password), "acme/web").image(digest)
        assert [authorization for _, _, authorization in other.asked] == [""]


def test_a_package_is_compared_with_its_digest(registry: StandIn, access: Access) -> None:
    registry.files["/web/-/web-1.0.0.tgz"] = b"package"
    assert package_file(access, "/web/-/web-1.0.0.tgz", digest_of(b"package")) == b"package"
    with pytest.raises(RegistryError, match="something else"):
        package_file(access, "/web/-/web-1.0.0.tgz", digest_of(b"other"))
    with pytest.raises(RegistryError, match="404"):
        package_file(access, "/web/-/web-2.0.0.tgz", digest_of(b"package"))


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ("registry.example.com/acme/web", Place("registry.example.com", "acme/web")),
        ("oci://registry.example.com:5000/acme/web:1.4.0", Place("registry.example.com:5000", "acme/web")),
        ("docker://localhost/web@sha256:" + "a" * 64, Place("localhost", "web")),
        ("acme/web", None),
        ("web", None),
        ("registry.example.com/", None),
    ],
)
def test_where_an_image_lies(reference: str, place: Place | None) -> None:
    assert image_place(reference) == place


def test_where_a_package_lies() -> None:
    assert package_place("https://npm.example.com/@a/b/-/b-1.tgz") == Place("npm.example.com", "/@a/b/-/b-1.tgz")
    assert package_place("https://user@npm.example.com/b.tgz") is None
    assert package_place("ftp://npm.example.com/b.tgz") is None
    for name in ("../x", "A", "a//b", "a" * 300, ""):
        with pytest.raises(RegistryError):
            OciRegistry(Access("registry.example.com", Settings()), name)
