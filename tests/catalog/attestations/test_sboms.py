"""Bills of materials that tenants send: kept exactly, indexed entry by entry, and refused where they are hostile."""

import hashlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.models import Verdict
from catalog.attestations.sboms import slices
from catalog.attestations.sboms.documents import (
    LARGEST_DOCUMENT,
    check_document,
    document_in,
    read_head,
    read_packages,
    wrap,
)
from catalog.attestations.sboms.purls import Range, read_purl
from catalog.attestations.shapes import RevokeKey
from catalog.attestations.statements import Subject
from catalog.errors import InvalidInputError
from catalog.tenancy import Principal

# The classes and callables of conftest.py, which test files do not import.
Outsider = Any
Service = Any
KeyRead = Any

TYPE = "https://cyclonedx.org/bom"
DIGEST = hashlib.sha256(b"artifact").hexdigest()
SUBJECT = Subject("artifact", "sha256", DIGEST)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def cyclonedx(*components: Any, **more: Any) -> bytes:
    # Spaces and order as no writer of ours has them: they have to survive.
    document = {"specVersion": "1.6", "bomFormat": "CycloneDX", "components": components, **more}
    return json.dumps(document, indent=3).replace(": ", " :\t").encode()


def index(service: Service, principal: Principal, outsider: Outsider, document: bytes) -> Any:
    with service(principal) as opened:
        sent = outsider.sealed(wrap([SUBJECT], TYPE, document))
        attestation, _ = opened.receive(principal, sent)
        return opened.index_sbom(principal.tenant_id, attestation.id)


@pytest.mark.usefixtures("trusted")
def test_a_document_comes_back_byte_for_byte_and_is_found_by_every_package(
    acme: Principal, service: Service, outsider: Outsider
) -> None:
    inner = {"name": "b", "purl": "pkg:pypi/Requests@2.31.0", "licenses": [{"license": {"id": "Apache-2.0"}}]}
    outer = {"name": "a", "purl": "pkg:npm/%40angular/core@12.0.0", "components": [inner]}
    document = cyclonedx(outer, {"name": "no url"}, {"purl": "nonsense"}, {"purl": 7}, 8, serialNumber="urn:uuid:1")
    row = index(service, acme, outsider, document)
    assert (row.components, row.packages, row.is_complete, row.serial) == (5, 2, True, "urn:uuid:1")
    assert row.document_digest == hashlib.sha256(document).hexdigest()
    with service(acme) as opened:
        assert opened.sbom_document(row.id)[0] == document
        assert [each.purl for _, each in opened.sbom_packages(row.id)] == [outer["purl"], inner["purl"]]
        (read,) = opened.sboms_about(acme.tenant_id, [DIGEST])
        assert (read.id, read.owned) == (row.id, True)
        assert opened.where(acme.tenant_id, "pkg:pypi/requests").versions[0].version == "2.31.0"
        assert opened.index_sbom(acme.tenant_id, row.attestation_id).id == row.id  # once, however often it is asked


@pytest.mark.usefixtures("trusted")
def test_what_is_no_longer_evidence_leaves_the_index(
    acme: Principal, service: Service, outsider: Outsider, trusted: KeyRead
) -> None:
    row = index(service, acme, outsider, cyclonedx({"purl": "pkg:npm/lodash@4.17.20"}))
    with service(acme) as opened:
        assert not opened.drop_sbom(acme.tenant_id, row.attestation_id)  # it is evidence still
        opened.revoke_key(acme, trusted.id, RevokeKey(reason="it leaked"))
        opened.verify_history(acme, trusted.id, None)
        assert opened.get(acme.tenant_id, row.attestation_id).verdict is Verdict.INVALIDATED
        assert opened.sboms_about(acme.tenant_id, [DIGEST]) == []
        assert opened.drop_sbom(acme.tenant_id, row.attestation_id)
        assert opened.where(acme.tenant_id, "pkg:npm/lodash").versions == []
        assert opened.index_sbom(acme.tenant_id, row.attestation_id) is None


@pytest.mark.usefixtures("trusted")
def test_hostile_documents_are_refused_with_the_reason_and_nothing_of_them_is_indexed(
    acme: Principal, service: Service, outsider: Outsider
) -> None:
    deep = b'{"bomFormat":"CycloneDX","specVersion":"1.6","components":' + b"[" * 200 + b"]" * 200 + b"}"
    other = cyclonedx(metadata={"component": {"hashes": [{"alg": "SHA-256", "content": "0" * 64}]}})
    huge = cyclonedx({"purl": "pkg:npm/a@1", "description": "x" * 50 * 1024 * 1024})
    cases = {Reason.TOO_DEEP: deep, Reason.SBOM_MISMATCH: other, Reason.TOO_LARGE: huge}
    for reason, document in cases.items():
        with service(acme) as opened, pytest.raises(AttestationRejectedError) as refused:
            opened.receive(acme, outsider.sealed(wrap([SUBJECT], TYPE, document)))
        assert refused.value.reason is reason
        with service(acme) as opened:
            with pytest.raises(AttestationRejectedError) as own:
                opened.attach_sbom(acme, [SUBJECT], document)
            assert own.value.reason is reason
            assert opened.sboms_about(acme.tenant_id, [DIGEST]) == []
    for nonsense in (b"", b"[]", b"{}", b'{"bomFormat":"CycloneDX","bomFormat":"SPDX"}', b"\xff"):
        with pytest.raises(AttestationRejectedError):
            check_document(nonsense)
    assert LARGEST_DOCUMENT < 50 * 1024 * 1024


def test_a_large_document_is_read_entry_by_entry() -> None:
    entry = {"purl": "pkg:npm/lodash@4.17.20", "description": "x" * 2000}
    text = cyclonedx(*[entry] * 4000).decode()
    head = read_head(text)
    assert head is not None
    tracemalloc.start()
    count = sum(1 for _ in read_packages(text, head))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, head.components) == (4000, 4000)
    assert len(text) > 8_000_000 > 10 * peak


@given(st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=6), st.sampled_from([None, 1, "\t"]))
def test_slices_of_a_text_are_the_values_that_a_parser_sees(document: dict[str, Any], indent: Any) -> None:
    text = json.dumps(document, indent=indent)
    found = {name: text[start:end] for name, start, end in slices.members(text)}
    assert {name: json.loads(each) for name, each in found.items()} == document
    for name, start, end in slices.members(text):
        if isinstance(document[name], list):
            assert [json.loads(text[a:b]) for a, b in slices.elements(text, start)] == document[name]
        assert slices.value(text, start) == document[name]
        assert slices.member(text, name) == (start, end)


@given(values)
def test_a_statement_gives_back_the_exact_document(value: Any) -> None:
    document = json.dumps({"bomFormat": "CycloneDX", "predicate": value}, indent=1).encode()
    payload = wrap([Subject('a "name"', "sha256", DIGEST)], TYPE, document)
    assert document_in(payload) == document
    assert json.loads(payload)["predicate"] == json.loads(document)


@pytest.mark.parametrize(
    ("kind", "bounds", "inside", "outside", "unknown"),
    [
        ("npm", "<4.17.21", ["4.17.20", "4.17.21-rc.1", "v1"], ["4.17.21", "10.0.0"], ["", "latest"]),
        ("pypi", ">=2,<2.32", ["2.31.0", "2.0.post1", "2.31"], ["2.32", "1!2.5", "2.0rc1"], ["", "x"]),
        ("cargo", ">=1.9.0 || 0.5.0", ["1.10.0", "0.5.0"], ["1.8.9", "0.5.1"], ["?"]),
        ("golang", "!=v0.9.1", ["v0.9.2", "v1.0.0+incompatible"], ["v0.9.1"], ["master"]),
    ],
)
def test_ranges_compare_as_each_ecosystem_does(
    kind: str, bounds: str, inside: list[str], outside: list[str], unknown: list[str]
) -> None:
    asked = Range(kind, bounds)
    found = {version: asked.holds(version) for version in (*inside, *outside, *unknown)}
    assert found == {**dict.fromkeys(inside, True), **dict.fromkeys(outside, False), **dict.fromkeys(unknown)}


@pytest.mark.parametrize(
    ("kind", "bounds"), [("deb", "<1"), ("npm", "<<1"), ("npm", ""), ("pypi", "<x"), ("npm", "1,")]
)
def test_a_range_that_cannot_be_read_is_refused(kind: str, bounds: str) -> None:
    with pytest.raises(InvalidInputError):
        Range(kind, bounds)


@given(st.text(max_size=40))
def test_any_text_is_a_package_url_or_none(text: str) -> None:
    found = read_purl(f"pkg:{text}")
    assert found is None or read_purl(found.package) is not None
