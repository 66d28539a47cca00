"""Much evidence by one signer hides no other's: of each signer and kind the newest is looked at first."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519

from catalog.attestations.shapes import ImportedKey
from catalog.tenancy import Principal

# The classes and callables of conftest.py, which test files do not import.
Outsider = Any
Receive = Any
Service = Any
FLOOD = 8


def test_a_flood_hides_nobody_and_is_said(
    acme: Principal, service: Service, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    other = type(outsider)(ed25519.Ed25519PrivateKey.generate())
    with service(acme) as opened:
        opened.import_key(acme, ImportedKey(name="other", public_key=other.public))
    assert trusted.name == "outsider"
    first = receive(acme, outsider.bundle(b"artifact"))
    told = [receive(acme, other.bundle(b"artifact", extra=number)) for number in range(FLOOD)]
    scan = receive(
        acme,
        other.bundle(
            b"artifact",
            predicateType="https://in-toto.io/attestation/vulns/v0.2",
            predicate={"scanner": {"result": []}},
        ),
    )
    more = [receive(acme, other.bundle(b"artifact", extra=f"more {number}")) for number in range(FLOOD)]
    digest = hashlib.sha256(b"artifact").hexdigest()

    def looked_at(most: int) -> tuple[list[Any], bool]:
        with service(acme) as opened:
            judged = opened.assess_digest(acme.tenant_id, digest, "file", most=most)
        return [each.attestation.id for each in judged.checked], judged.is_complete

    assert looked_at(3) == ([more[-1].id, scan.id, first.id], False)
    everything = [each.id for each in (*reversed(more), scan, *reversed(told), first)]
    assert looked_at(len(everything)) == (everything, True)
    assert looked_at(len(everything) - 1) == ([each for each in everything if each != told[0].id], False)
