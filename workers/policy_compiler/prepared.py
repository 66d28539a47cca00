"""Policy bundles that were compiled when Slipway was set up, so that its first start need not compile them.

One folder below the tools for each bundle, named by everything that decides about the outcome: the bundle's files and
entry points, the version of OPA, and the code that compiles. So what is found under a name is what compiling now would
make; a bundle that differs in one byte has another name and is compiled. Only ``workers.policy_compiler.curated``
writes here: what a publisher sends is never kept, or a second publisher could tell by the time that somebody had the
same bundle. Whoever may write to this folder may replace OPA itself, which lies beside it.
"""

import hashlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from catalog.assets.artifacts import Artifact
from catalog.assets.findings import Finding
from catalog.policies import engine
from catalog.policies.engine import read_bundle
from catalog.policies.engine.artifacts import FACTS, MEDIA_TYPES, WASM
from workers.policy_compiler import Compiled, PolicySources

_FOLDER: Final = "policies"
_FINDINGS: Final = "findings.json"
_MOST_KEPT: Final = 60


def name_of(sources: PolicySources, opa_version: str) -> str:
    """Return the SHA-256 digest of everything that decides what a bundle is compiled to."""
    parts = {
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in sources.files.items()},
        "spec": dict(sources.spec),
        "opa": opa_version,
        "code": code_digest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Return the digest of the code that checks, compiles and reports."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(engine.__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def find(tools: Path, sources: PolicySources, opa_version: str) -> Compiled | None:
    """Return what was made of just these sources before; None where nothing was, or where it is not whole."""
    home = tools / _FOLDER / name_of(sources, opa_version)
    try:
        findings = tuple(Finding(**each) for each in json.loads((home / _FINDINGS).read_bytes()))
        made = {name: (home / name).read_bytes() for name in (WASM, FACTS)}
        facts: dict[str, Any] = json.loads(made[FACTS])
        # Compares the digest in the facts with module, data and entry points.
        read_bundle(made[WASM], made[FACTS])
    except (OSError, ValueError, TypeError):
        return None
    artifacts = tuple(Artifact(name, MEDIA_TYPES[name], data) for name, data in made.items())
    return Compiled(findings, artifacts, facts)


def keep(tools: Path, sources: PolicySources, opa_version: str, compiled: Compiled) -> None:
    """Write what was made of the sources, so that it is there whole or not at all."""
    home = tools / _FOLDER / name_of(sources, opa_version)
    home.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=home.parent, prefix=".new-"))
    fresh.chmod(0o755)
    for each in compiled.artifacts:
        (fresh / each.name).write_bytes(each.data)
    findings = json.dumps([finding.as_json() for finding in compiled.findings], indent=1)
    (fresh / _FINDINGS).write_text(findings, encoding="utf-8")
    shutil.rmtree(home, ignore_errors=True)
    fresh.rename(home)


def forget_old(tools: Path) -> None:
    """Remove what was made longest ago, such as of the curated bundles of earlier versions of Slipway."""
    folder = tools / _FOLDER
    made = sorted(folder.iterdir() if folder.is_dir() else (), key=lambda each: each.stat().st_mtime, reverse=True)
    for each in made[_MOST_KEPT:]:
        shutil.rmtree(each, ignore_errors=True)
