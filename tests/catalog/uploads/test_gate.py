"""The compatibility gate at the upload door."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.assets.models import ChangeVersionState
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.tenancy import Principal
from catalog.uploads.errors import IncompatibleVersionError
from catalog.uploads.models import Publication

Publisher = Callable[..., Publication]


def pack(version: str, drop: str = "", **more: Any) -> bytes:
    """Pack the blueprint acme/shop with other inputs than the skeleton's: without ``drop``, with ``more``."""
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "shop"))
    files["asset.yaml"] = re.sub(rb"version: 0\.1\.0", b"version: " + version.encode(), files["asset.yaml"], count=1)
    schema = json.loads(files["inputs.schema.json"])
    schema["properties"].update({"region": {"enum": ["eu", "us"], "default": "eu"}, **more})
    if drop:
        del schema["properties"][drop]
    files["inputs.schema.json"] = json.dumps(schema).encode()
    files = {path: data for path, data in files.items() if not path.startswith("examples/") and "ui" not in path}
    files["asset.yaml"] = files["asset.yaml"].replace(b"ui: inputs.ui.json", b"immutable: []")
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


def test_a_minor_version_that_breaks_is_refused_with_pointer_and_reason(publish: Publisher, acme: Principal) -> None:
    publish(acme, pack("1.0.0"))
    with pytest.raises(IncompatibleVersionError) as refused:
        publish(acme, pack("1.1.0", region={"enum": ["eu"], "default": "eu"}))
    error = refused.value
    assert (error.status, error.code, error.honest) == (422, "incompatible_version", "2.0.0")
    assert [each.pointer for each in error.errors] == ["/inputs/region"]
    assert error.errors[0].detail == "/region: It does not take 'us' any more."
    (finding,) = error.findings
    assert (finding.path, finding.fix) == ("inputs.schema.json", "Publish as 2.0.0, or take it back.")
    with pytest.raises(IncompatibleVersionError):
        publish(acme, pack("1.0.1", drop="region"))


def test_nothing_of_a_refused_version_is_left(database: Database, publish: Publisher, acme: Principal) -> None:
    publish(acme, pack("1.0.0"))
    with pytest.raises(IncompatibleVersionError):
        publish(acme, pack("1.1.0", drop="region"))
    with database.tenant_session(acme.tenant_id) as session:
        assert [each.version for each in AssetService(session).versions(acme.tenant_id, "acme", "shop")] == ["1.0.0"]


def test_a_major_version_may_break(publish: Publisher, acme: Principal) -> None:
    publish(acme, pack("1.0.0"))
    assert publish(acme, pack("2.0.0", drop="region")).created
    assert publish(acme, pack("1.0.1")).created, "the line below goes on with its own predecessor"


def test_what_is_new_in_a_patch_is_remarked_on(publish: Publisher, acme: Principal) -> None:
    publish(acme, pack("1.0.0"))
    findings = publish(acme, pack("1.0.1", size={"type": "integer", "default": 1})).findings
    assert [each["rule"] for each in findings if each["rule"] == "modest-version"] == ["modest-version"]
    assert any("inputs/size" in each["message"] and "1.1.0" in each["fix"] for each in findings)


def test_below_one_a_minor_version_may_break_and_a_patch_may_not(publish: Publisher, acme: Principal) -> None:
    publish(acme, pack("0.1.0"))
    with pytest.raises(IncompatibleVersionError) as refused:
        publish(acme, pack("0.1.1", drop="region"))
    assert refused.value.honest == "0.2.0"
    assert publish(acme, pack("0.2.0", drop="region")).created


def test_a_version_that_was_withdrawn_is_no_measure(database: Database, publish: Publisher, acme: Principal) -> None:
    publish(acme, pack("1.0.0"))
    publish(acme, pack("1.1.0", size={"type": "integer", "default": 1}))
    with database.tenant_session(acme.tenant_id) as session:
        AssetService(session).revoke(acme, "acme", "shop", "1.1.0", ChangeVersionState(reason="It leaks."))
    assert publish(acme, pack("1.2.0")).created, "what 1.1.0 added may go with it"


def asking(version: str, requires: str = "", dependencies: str = "") -> bytes:
    """Pack acme/shop with what its manifest asks of an install."""
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "shop"))
    manifest = files["asset.yaml"].replace(b"version: 0.1.0", b"version: " + version.encode())
    files["asset.yaml"] = manifest + requires.encode() + dependencies.encode()
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


PERMISSION = "requires: {permissions: [scm:pull-request]}\n"
CAPABILITY = "requires: {capabilities: [scm:github]}\n"
NEEDS = 'dependencies: [{asset: acme/network, kind: component-package, version: ">=1,<2"}]\n'
MAY_NEED = NEEDS.replace("}]", ", optional: true}]")


@pytest.mark.parametrize(
    ("before", "after", "pointer", "rule"),
    [
        ({}, {"requires": PERMISSION}, "/manifest/requires/permissions", "new-permission"),
        ({}, {"requires": CAPABILITY}, "/manifest/requires/capabilities", "new-capability"),
        ({}, {"dependencies": NEEDS}, "/manifest/dependencies", "new-dependency"),
        ({"dependencies": MAY_NEED}, {"dependencies": NEEDS}, "/manifest/dependencies", "new-dependency"),
    ],
)
def test_what_asks_an_install_for_more_is_no_patch_and_is_told(
    publish: Publisher, acme: Principal, before: dict[str, str], after: dict[str, str], pointer: str, rule: str
) -> None:
    publish(acme, asking("1.0.0", **before))
    with pytest.raises(IncompatibleVersionError) as refused:
        publish(acme, asking("1.0.1", **after))
    assert [each.pointer for each in refused.value.errors] == [pointer]
    assert (refused.value.honest, refused.value.findings[0].path) == ("1.1.0", "asset.yaml")
    publication = publish(acme, asking("1.1.0", **after))
    assert rule in [each["rule"] for each in publication.findings]
    assert publication.version is not None
    assert rule in [each["rule"] for each in publication.version.warnings], "the version's page shows it"


def test_what_asks_for_less_or_may_be_left_out_is_a_patch(publish: Publisher, acme: Principal) -> None:
    publish(acme, asking("1.0.0", PERMISSION, NEEDS))
    assert publish(acme, asking("1.0.1", dependencies=MAY_NEED)).findings == []
    assert publish(acme, asking("1.0.2")).created
    optional = publish(acme, asking("1.0.3", dependencies=MAY_NEED)).findings
    assert [each["rule"] for each in optional] == ["modest-version"]
