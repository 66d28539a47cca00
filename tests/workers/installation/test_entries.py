"""Strategies and pins: what the ledger itself is, and who reads it there."""

import io
from pathlib import Path

import pytest

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.check import check_archive
from catalog.assets.kinds import kinds
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.installs.errors import InstallExistsError
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, AskUninstall, AskUpgrade
from catalog.providers.blobs import open_blobs
from catalog.tenancy import Principal
from tests.workers.installation.conftest import Ledger

CANARY = Path(__file__).parents[3] / "blueprints" / "strategies" / "canary"


def publish(ledger: Ledger, who: Principal, files: dict[str, bytes]) -> None:
    """Publish a package as it is."""
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    checked = check_archive(archive)
    assert checked.package is not None, checked.findings
    with ledger.database.tenant_session(who.tenant_id) as session:
        service = AssetService(session)
        service.claim_namespace(who, "acme")
        service.publish(who, checked.package)
    open_blobs(ledger.settings).write(io.BytesIO(archive))


def strategy(version: str) -> dict[str, bytes]:
    """Return the curated canary as the tenant's own."""
    files = {str(each.relative_to(CANARY)): each.read_bytes() for each in CANARY.rglob("*") if each.is_file()}
    manifest = files["asset.yaml"].decode().replace("namespace: slipway", "namespace: acme")
    notes = f"# Changes\n\n## {version}\n\n- It changed.\n".encode()
    return {**files, "asset.yaml": manifest.replace("1.0.0", version).encode(), "CHANGELOG.md": notes}


def test_a_strategy_holds_for_one_service_and_is_read_there(
    ledger: Ledger, acme: Principal, rival: Principal, database: Database
) -> None:
    publish(ledger, acme, strategy("1.0.0"))
    plan = ledger.ask("plan_install", AskInstall(asset="acme/canary", target={"service": "web"}))
    assert plan.state == "ready", plan.problem
    said = plan.document["changes"]["strategy"]
    assert (said["service"], said["known"], said["type"], said["ends"]) == ("web", False, "canary", False)
    assert said["steps"][0] == {"setWeight": 5}
    install = ledger.apply(plan)
    assert (install.state, install.place, install.outputs) == (
        "applied",
        "service web",
        {"strategy": "acme/canary==1.0.0"},
    )
    with pytest.raises(InstallExistsError):
        ledger.ask("plan_install", AskInstall(asset="acme/canary", target={"service": "web"}))
    publish(ledger, acme, strategy("1.1.0"))
    ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))

    def bound(who: Principal) -> str | None:
        with database.tenant_session(who.tenant_id) as session:
            found = InstallService(session, ledger.settings).strategy_of(who.tenant_id, "web")
            return None if found is None else str(found.content["version"])

    assert (bound(acme), bound(rival)) == ("1.1.0", None)
    gone = ledger.ask("plan_removal", install.id, AskUninstall())
    assert gone.document["changes"]["strategy"]["ends"] is True
    assert ledger.apply(gone).state == "removed"
    assert bound(acme) is None


def component(version: str) -> dict[str, bytes]:
    """Return the package that a new component package begins with, in some version."""
    files = dict(kinds()["component-package"].skeleton("acme", "net"))
    if version == "0.1.0":
        return files
    wheel = next(path for path in files if path.endswith(".whl"))
    files["asset.yaml"] = files["asset.yaml"].replace(b"0.1.0", version.encode())
    files[wheel.replace("0.1.0", version)] = files.pop(wheel)
    return files


def test_a_pin_holds_for_the_tenant_and_takes_no_inputs(ledger: Ledger, acme: Principal) -> None:
    publish(ledger, acme, component("0.1.0"))
    plan = ledger.ask("plan_install", AskInstall(asset="acme/net", inputs={"nonsense": 1}))
    assert plan.state == "ready", plan.problem
    assert plan.document["changes"]["pin"] == {"reference": "acme/net==0.1.0", "own_dependents": [], "ends": False}
    assert plan.document["inputs"] == {}
    install = ledger.apply(plan)
    assert (install.state, install.place, install.outputs) == ("applied", "tenant", {"pin": "acme/net==0.1.0"})
    publish(ledger, acme, component("0.2.0"))
    newer = ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert newer.outputs == {"pin": "acme/net==0.2.0"}
    assert ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall())).state == "removed"
