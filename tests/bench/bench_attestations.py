"""Attestations in one run: ``python tests/bench/bench_attestations.py``.

How many bundles a second are verified, against bare ``cryptography`` and against one ``cosign`` process per bundle, and
how many are taken in (verified, bytes fsynced, rows and event committed) on a durable PostgreSQL. One thread each.
"""

import argparse
import hashlib
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from catalog import migrate
from catalog.attestations.dsse import read_signed
from catalog.attestations.local_signing import sign_bundle
from catalog.attestations.models import SigningKey
from catalog.attestations.predicates import PROVENANCE
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import ImportedKey
from catalog.attestations.signatures import PublicKey, algorithm_of, key_id, load_public_der, pem
from catalog.attestations.statements import Subject
from catalog.attestations.verification import Anchors, prove
from catalog.clock import now
from catalog.db import Database
from catalog.providers.signers.local import spki
from catalog.settings import Settings, load_settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from workers.embedded.postgres import EmbeddedPostgres
from workers.toolchain import COSIGN, ensure

PREDICATE = {
    "buildDefinition": {
        "buildType": "https://example.com/build/v1",
        "externalParameters": {"ref": "refs/heads/main", "inputs": {f"input-{n}": "value" for n in range(20)}},
        "resolvedDependencies": [{"uri": f"pkg:pypi/package-{n}@1.0.{n}"} for n in range(50)],
    },
    "runDetails": {"builder": {"id": "https://example.com/builders/1"}},
}
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = load_public_der(spki(KEY))


def bundle(artifact: bytes) -> bytes:
    """Return signed provenance of an artifact."""
    subject = Subject("artifact", "sha256", hashlib.sha256(artifact).hexdigest())
    return sign_bundle(KEY, [subject], PROVENANCE, PREDICATE)


def rate(count: int, once: Callable[[int], object]) -> float:
    """Return how often a second ``once`` runs."""
    once(0)
    began = time.perf_counter()
    for number in range(1, count + 1):
        once(number)
    return count / (time.perf_counter() - began)


def bare(count: int) -> float:
    """Return how many signatures a second ``cryptography`` verifies, with everything read beforehand."""
    envelope = read_signed(bundle(b"artifact")).envelope
    scheme = ec.ECDSA(hashes.SHA256())
    return rate(count, lambda _: KEY.public_key().verify(envelope.signature, envelope.signed, scheme))


def verification(count: int, keys: int) -> float:
    """Return how many bundles a second are proven, by a tenant with so many keys."""
    rows = [_row(load_public_der(spki(ec.generate_private_key(ec.SECP256R1())))) for _ in range(keys - 1)]
    anchors = Anchors([*rows, _row(PUBLIC)], [], None)
    data, moment = bundle(b"artifact"), now()
    return rate(count, lambda _: prove(data, anchors, moment))


def _row(key: PublicKey) -> SigningKey:
    return SigningKey(
        tenant_id=uuid4(),
        key_id=key_id(key),
        name="builder",
        algorithm=algorithm_of(key),
        public_key=pem(key),
        created_by="bench",
    )


def intake(count: int, folder: Path) -> float:
    """Return how many bundles a second are taken in, each in a transaction of its own."""
    server = EmbeddedPostgres(folder / "postgres", folder / "run")
    server.start()
    server.wait_ready()
    try:
        urls = server.urls()
        migrate.upgrade(urls.owner)
        settings = Settings(
            data_dir=folder / "data",
            database_url=urls.app,
            database_owner_url=urls.owner,
            database_system_url=urls.system,
        )
        database = Database(settings)
        tenant = bootstrap.ensure_tenant(database, "bench")
        principal = Principal(tenant.id, tenant.name, "bench", "bench", ALL_SCOPES)
        with database.tenant_session(tenant.id) as session:
            imported = ImportedKey(name="builder", public_key=pem(PUBLIC))
            SupplyChainAttestationService(session, settings).import_key(principal, imported)
        bundles = [bundle(f"artifact {number}".encode()) for number in range(count + 1)]

        def once(number: int) -> None:
            with database.tenant_session(tenant.id) as session:
                SupplyChainAttestationService(session, settings).receive(principal, bundles[number])

        found = rate(count, once)
        database.close()
    finally:
        server.stop()
    return found


def cosign(count: int, folder: Path) -> float:
    """Return how many bundles a second are verified by one cosign process each."""
    program = ensure(load_settings().tools_dir, COSIGN, print)
    artifact = folder / "artifact"
    artifact.write_bytes(b"artifact")
    (folder / "bundle.json").write_bytes(bundle(b"artifact"))
    (folder / "key.pub").write_text(pem(PUBLIC))
    command = [str(program), "verify-blob-attestation", "--bundle", str(folder / "bundle.json")]
    command += ["--key", str(folder / "key.pub"), "--type", "slsaprovenance1", "--insecure-ignore-tlog", str(artifact)]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return rate(count, lambda _: subprocess.run(command, env=environment, check=True, capture_output=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    part = 10 if parser.parse_args().quick else 1
    with tempfile.TemporaryDirectory(prefix="slw-bench-") as folder:
        ones = bare(20_000 // part)
        ours = {keys: verification(5_000 // part, keys) for keys in (1, 20)}
        taken = intake(1_000 // part, Path(folder))
        processes = cosign(50 // part, Path(folder))
    size = len(bundle(b"artifact"))
    print(f"one bundle of {size} bytes: P-256, provenance with 50 dependencies")
    print(f"bare cryptography, signature alone  {ones:10.0f} a second   1.00")
    for keys, value in ours.items():
        print(f"verified here, {keys:2} keys registered   {value:10.0f} a second   {value / ones:.2f} of bare")
    print(f"taken in, durably                   {taken:10.0f} a second   {taken / ones:.3f} of bare")
    slower = ours[1] / processes
    print(f"one cosign process for each         {processes:10.1f} a second   {slower:.0f} times slower than here")
    print(f"intake against cosign               {taken / processes:10.0f} times as many")


if __name__ == "__main__":
    main()
