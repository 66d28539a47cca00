package hipaa.evidence

# What verified attestations say of the artifacts. Each question is "is there one that says so?", so taking an
# attestation away can only add findings.

predicate_types := {
	"provenance": {"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"},
	"sbom": {"https://cyclonedx.org/bom", "https://spdx.dev/Document", "https://spdx.dev/Document/v2.3"},
	"scan": {"https://in-toto.io/attestation/vulns/v0.1", "https://in-toto.io/attestation/vulns/v0.2"},
	"tests": {"https://in-toto.io/attestation/test-result/v0.1"},
}

_names := {
	"provenance": "provenance",
	"sbom": "bill of materials",
	"scan": "vulnerability scan without critical results",
	"tests": "test result that passed",
}

unattested(kind) := {finding |
	some index, artifact in artifacts
	count(attesting(artifact, kind)) == 0
	finding := {
		"message": sprintf("The artifact %v has no verified %s.", [object.get(artifact, "name", index), _names[kind]]),
		"path": sprintf("/release/artifacts/%d", [index]),
	}
} | {finding |
	count(artifacts) == 0
	finding := {
		"message": sprintf("The release names no artifact that a %s could speak of.", [_names[kind]]),
		"path": "/release/artifacts",
	}
}

attesting(artifact, kind) := {index |
	some index, attestation in input.attestations
	attestation.verified == true
	attestation.predicate_type in predicate_types[kind]
	some subject in attestation.subjects
	subject.digest == artifact.digest
	_says_well(kind, attestation)
}

_says_well(kind, _) if kind in {"provenance", "sbom"}

_says_well("tests", attestation) if attestation.predicate.result == "PASSED"

_says_well("scan", attestation) if {
	results := attestation.predicate.scanner.result
	is_array(results)
	every result in results {
		not _critical(result)
	}
}

_critical(result) if not is_array(object.get(result, "severity", null))

_critical(result) if {
	some severity in result.severity
	_severe(object.get(severity, "score", ""))
}

# CVSS from 9.0 on is critical; a word counts as it is, and what is neither is taken for the worst.
_severe(score) if {
	is_number(score)
	score >= 9
}

_severe(score) if {
	is_string(score)
	regex.match(`^[0-9]{1,2}(\.[0-9]+)?$`, score)
	to_number(score) >= 9
}

_severe(score) if {
	is_string(score)
	not regex.match(`^[0-9]{1,2}(\.[0-9]+)?$`, score)
	not lower(score) in {"none", "low", "medium", "moderate", "high"}
}

_severe(score) if {
	not is_string(score)
	not is_number(score)
}
