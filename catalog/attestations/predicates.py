"""The predicates that Slipway understands: what each is evidence of, its schema, and what is worth an index.

Sources: SLSA 1.0 to 1.2 (provenance v1, verification summary v1), the in-toto predicate registry (SPDX, CycloneDX,
test-result, release, vulns), OpenVEX 0.2; Slipway's own have published schemas beside this module.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from catalog.assets.findings import storable
from catalog.attestations.errors import AttestationRejectedError, Reason

OWN = "https://slipway.dev/attestation/"
PROVENANCE = "https://slsa.dev/provenance/v1"
VSA = "https://slsa.dev/verification_summary/v1"
RELEASE = "https://in-toto.io/attestation/release/v0.2"
PUBLISH = f"{OWN}publish/v1"
INDEX_PUBLISH = "https://docs.pypi.org/attestations/publish/v1"
ENVIRONMENT = f"{OWN}environment/v1"
ROLLOUT = f"{OWN}rollout/v1"
POLICY_DECISION = f"{OWN}policy-decision/v1"
COST_ESTIMATE = f"{OWN}cost-estimate/v1"
EXPORT = f"{OWN}export/v1"
Digests = Collection[tuple[str, str]]


@dataclass(frozen=True)
class Predicate:
    """One predicate type: ``evidence`` is what trust policies call it, several types may be the same evidence.

    ``is_own`` marks what only Slipway itself signs for a tenant; ``travels`` what is shown with a public asset.
    """

    evidence: str
    title: str
    travels: bool = True
    is_own: bool = False


_KNOWN: dict[str, Predicate] = {
    PROVENANCE: Predicate("provenance", "Build provenance"),
    "https://slsa.dev/provenance/v0.2": Predicate("provenance-v0.2", "Build provenance, old form"),
    VSA: Predicate("vsa", "Verification summary"),
    "https://spdx.dev/Document": Predicate("sbom", "Bill of materials (SPDX)"),
    "https://cyclonedx.org/bom": Predicate("sbom", "Bill of materials (CycloneDX)"),
    "https://openvex.dev/ns": Predicate("vex", "Exploitability (OpenVEX)"),
    "https://in-toto.io/attestation/test-result/v0.1": Predicate("test-result", "Test result"),
    "https://in-toto.io/attestation/release/v0.1": Predicate("release", "Release"),
    RELEASE: Predicate("release", "Release"),
    "https://in-toto.io/attestation/vulns/v0.1": Predicate("vulns", "Vulnerability scan"),
    "https://in-toto.io/attestation/vulns/v0.2": Predicate("vulns", "Vulnerability scan"),
    "https://cosign.sigstore.dev/attestation/vuln/v1": Predicate("vulns", "Vulnerability scan"),
    INDEX_PUBLISH: Predicate("index-publish", "Publication of a Python distribution"),
    PUBLISH: Predicate("publish", "Publication", is_own=True),
    ENVIRONMENT: Predicate("environment", "Environment", travels=False, is_own=True),
    ROLLOUT: Predicate("rollout", "Rollout", travels=False, is_own=True),
    POLICY_DECISION: Predicate("policy-decision", "Policy decision", travels=False, is_own=True),
    COST_ESTIMATE: Predicate("cost-estimate", "Cost estimate", travels=False, is_own=True),
    EXPORT: Predicate("export", "Export", travels=False, is_own=True),
}
ALIASES = {
    "slsaprovenance1": PROVENANCE,
    "vsa": VSA,
    "spdxjson": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "openvex": "https://openvex.dev/ns",
    "test-result": "https://in-toto.io/attestation/test-result/v0.1",
    "release": RELEASE,
    "vulns": "https://in-toto.io/attestation/vulns/v0.2",
}
"""Short names on the command line; those that cosign has mean what cosign means."""
OWN_SCHEMAS = ("publish", "environment", "rollout", "policy-decision", "cost-estimate", "export")
EVIDENCE = tuple(dict.fromkeys(each.evidence for each in _KNOWN.values()))
"""What trust policies can ask for by a short name."""


def predicate(predicate_type: str) -> Predicate:
    """Return what is known of a predicate type; an unknown one is evidence of itself, by its URI.

    Versions of OpenVEX and minor versions of SPDX and CycloneDX come as longer URIs of the same kind.
    """
    for prefix in ("https://openvex.dev/ns", "https://spdx.dev/Document", "https://cyclonedx.org/bom"):
        if predicate_type.startswith(f"{prefix}/"):
            return _KNOWN[prefix]
    return _KNOWN.get(predicate_type) or Predicate(predicate_type, predicate_type, travels=False)


@cache
def predicate_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of one of Slipway's own predicates; raise ``KeyError`` where there is none."""
    if name not in OWN_SCHEMAS:
        raise KeyError(name)
    text = files("catalog.attestations").joinpath("predicate_schemas", f"{name}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def check_predicate(predicate_type: str, content: Mapping[str, Any], subjects: Digests) -> None:
    """Raise ``AttestationRejectedError`` where a predicate does not have the shape that its type promises.

    Only what is read later is checked; unknown fields are ignored. A bill of materials whose root component has a
    digest of its own must mean one of the ``subjects``.
    """
    known = predicate(predicate_type)
    if known.is_own:
        validator = Draft202012Validator(predicate_schema(known.evidence))
        for error in validator.iter_errors(content):
            pointer = "".join(f"/{part}" for part in error.absolute_path)
            raise _invalid(f"{error.message[:300]}", pointer)
    check = _CHECKS.get(known.evidence)
    if check is not None:
        check(content, subjects)


def _check_provenance(content: Mapping[str, Any], _subjects: Digests) -> None:
    definition, run = content.get("buildDefinition"), content.get("runDetails")
    if not isinstance(definition, dict) or not isinstance(definition.get("buildType"), str):
        raise _invalid("Provenance says what was built: buildDefinition.buildType.", "/buildDefinition/buildType")
    builder = run.get("builder") if isinstance(run, dict) else None
    if not isinstance(builder, dict) or not isinstance(builder.get("id"), str):
        raise _invalid("Provenance says who built: runDetails.builder.id.", "/runDetails/builder/id")


def _check_vsa(content: Mapping[str, Any], _subjects: Digests) -> None:
    verifier = content.get("verifier")
    if not isinstance(verifier, dict) or not isinstance(verifier.get("id"), str):
        raise _invalid("A verification summary says who verified: verifier.id.", "/verifier/id")
    if content.get("verificationResult") not in ("PASSED", "FAILED"):
        raise _invalid("verificationResult is PASSED or FAILED.", "/verificationResult")
    levels = content.get("verifiedLevels", [])
    if not isinstance(levels, list) or not all(isinstance(each, str) for each in levels):
        raise _invalid("verifiedLevels is a list of texts.", "/verifiedLevels")


def _check_sbom(content: Mapping[str, Any], subjects: Digests) -> None:
    """Compare the digests that the document gives its root component with those of the subjects."""
    if content.get("bomFormat") == "CycloneDX":
        claimed = _cyclonedx_digests(content)
    elif "spdxVersion" in content:
        claimed = _spdx_digests(content)
    elif "@graph" in content or "@context" in content:
        claimed = set()  # SPDX 3, which is kept and not read
    else:
        raise _invalid("This is neither a CycloneDX nor an SPDX document.", "/bomFormat")
    algorithms = {algorithm for algorithm, _ in subjects}
    comparable = {each for each in claimed if each[0] in algorithms}
    if comparable and not comparable & set(subjects):
        raise AttestationRejectedError(
            Reason.SBOM_MISMATCH,
            "The bill of materials is about another artifact: the digest of its root component is not the subject's.",
            "/payload/predicate",
        )


def _cyclonedx_digests(content: Mapping[str, Any]) -> set[tuple[str, str]]:
    metadata = content.get("metadata")
    component = metadata.get("component") if isinstance(metadata, dict) else None
    hashes = component.get("hashes") if isinstance(component, dict) else None
    return _digests(hashes, "alg", "content")


def _spdx_digests(content: Mapping[str, Any]) -> set[tuple[str, str]]:
    described = content.get("documentDescribes")
    names = set(described) if isinstance(described, list) and all(isinstance(e, str) for e in described) else set()
    relations = content.get("relationships")
    for each in relations if isinstance(relations, list) else ():
        # The other way to say what a document is about.
        if isinstance(each, dict) and each.get("relationshipType") == "DESCRIBES":
            related = each.get("relatedSpdxElement")
            names |= {related} if isinstance(related, str) else set()
    found: set[tuple[str, str]] = set()
    packages = content.get("packages")
    for package in packages if isinstance(packages, list) else ():
        if isinstance(package, dict) and package.get("SPDXID") in names:
            found |= _digests(package.get("checksums"), "algorithm", "checksumValue")
    return found


def _digests(entries: object, algorithm: str, value: str) -> set[tuple[str, str]]:
    found = set()
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, dict) and isinstance(each.get(algorithm), str) and isinstance(each.get(value), str):
            found.add((each[algorithm].lower().replace("-", ""), each[value].lower()))
    return found


def _check_test_result(content: Mapping[str, Any], _subjects: Digests) -> None:
    if content.get("result") not in ("PASSED", "WARNED", "FAILED"):
        raise _invalid("result is PASSED, WARNED or FAILED.", "/result")


_CHECKS: dict[str, Callable[[Mapping[str, Any], Digests], None]] = {
    "provenance": _check_provenance,
    "vsa": _check_vsa,
    "sbom": _check_sbom,
    "test-result": _check_test_result,
}


def facts(predicate_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what lists, pages and trust policies need of a checked predicate; texts are cut at 500 characters."""
    evidence = predicate(predicate_type).evidence
    found: dict[str, Any] = {}
    if evidence == "provenance":
        found = {
            "builder": content["runDetails"]["builder"]["id"],
            "build_type": content["buildDefinition"]["buildType"],
        }
    elif evidence == "vsa":
        resource, evaluation = content.get("resourceUri"), content.get("slipway_evaluation")
        found = {
            "verifier": content["verifier"]["id"],
            "result": content["verificationResult"],
            "levels": list(content.get("verifiedLevels", []))[:50],
            "resource": resource if isinstance(resource, str) else None,
            "evaluation": evaluation if isinstance(evaluation, str) else None,
        }
    elif evidence == "sbom":
        components = content.get("components", content.get("packages"))
        version = content.get("specVersion", content.get("spdxVersion"))
        found = {
            "format": "CycloneDX" if "bomFormat" in content else "SPDX",
            "version": version if isinstance(version, str) else None,
            "components": len(components) if isinstance(components, list) else None,
        }
    elif evidence == "test-result":
        found = {"result": content["result"]}
    elif predicate(predicate_type).is_own:
        found = {key: value for key, value in content.items() if isinstance(value, str | int | bool)}
    return {key: _kept(value) for key, value in list(found.items())[:30] if value is not None}


def _kept(value: Any) -> Any:
    if isinstance(value, list):
        return [_kept(each) for each in value]
    return storable(value[:500]) if isinstance(value, str) else value


def _invalid(detail: str, pointer: str) -> AttestationRejectedError:
    return AttestationRejectedError(Reason.PREDICATE_INVALID, detail, f"/payload/predicate{pointer}")
