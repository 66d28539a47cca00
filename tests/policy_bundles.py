"""Policy bundles for tests, compiled by the real OPA and published as workers publish them."""

import io
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.artifacts import Artifact
from catalog.assets.check import check_archive
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.gating import Level
from catalog.policies.bundles import LoadedBundle
from catalog.policies.compiled import write_facts
from catalog.policies.engine import CompiledBundle
from catalog.policies.engine.artifacts import FACTS, WASM, digest_of
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings, load_settings
from catalog.tenancy import Principal
from workers.toolchain import OPA, ensure

ALLOW = "deny contains v if { false; v := {} }"
"""Rules that forbid nothing."""


def publish_bundle(
    database: Database, settings: Settings, principal: Principal, name: str, rules: str, version: str = "1.0.0"
) -> str:
    """Publish ``acme/{name}`` and return its digest.

    ``rules`` are Rego without the package, which is ``guard``; the entry point is ``guard/deny``.
    """
    wasm = _compiled(f"package guard\n\n{rules}\n")
    digest = digest_of(wasm, {}, ("guard/deny",))
    bundle = LoadedBundle(
        f"acme/{name}", version, CompiledBundle(digest, wasm, ("guard/deny",)), ("guard",), Level.MANDATORY
    )
    texts = skeleton("policy-bundle", "acme", name)
    files = {path: PackageFile(data.replace(b"0.1.0", version.encode())) for path, data in texts.items()}
    archive = build_archive(files).data
    package = check_archive(io.BytesIO(archive)).package
    assert package is not None
    with database.tenant_session(principal.tenant_id) as session:
        service, blobs = AssetService(session), open_blobs(settings)
        service.claim_namespace(principal, "acme")
        made = service.publish(principal, package)
        blobs.write(io.BytesIO(archive))
        derived = [Artifact(WASM, "application/wasm", wasm), Artifact(FACTS, "application/json", write_facts(bundle))]
        service.keep_artifacts(made, derived, blobs)
    return digest


@cache
def _compiled(source: str) -> bytes:
    opa = ensure(load_settings().tools_dir, OPA)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "guard.rego").write_text(source)
        command = [str(opa), "build", "-t", "wasm", "-e", "guard/deny", "-o", "bundle.tar.gz", "guard.rego"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        with tarfile.open(Path(folder) / "bundle.tar.gz") as archive:
            member = archive.extractfile("/policy.wasm")
            assert member is not None
            return member.read()
