package slsa.evidence_test

import data.slsa.evidence

attested_badly(kind, patch) if {
	count(evidence.unattested(kind)) > 0 with input as json.patch(sound, patch)
}

test_all_is_attested[kind] if {
	some kind in ["provenance", "sbom", "scan", "tests"]
	not attested_badly(kind, [])
}

test_without_attestations[kind] if {
	some kind in ["provenance", "sbom", "scan", "tests"]
	attested_badly(kind, [{"op": "replace", "path": "/attestations", "value": []}])
	attested_badly(kind, [{"op": "remove", "path": "/attestations"}])
	attested_badly(kind, [{"op": "replace", "path": "/release/artifacts", "value": []}])
}

test_not_verified if attested_badly("sbom", [{"op": "replace", "path": "/attestations/1/verified", "value": false}])

test_of_something_else if {
	attested_badly("sbom", [{"op": "replace", "path": "/attestations/1/subjects/0/digest", "value": "sha256:00"}])
}

test_failed_tests if {
	attested_badly("tests", [{"op": "replace", "path": "/attestations/3/predicate/result", "value": "FAILED"}])
}

test_scan_that_is_fine[score] if {
	some score in ["8.9", 8.9, "HIGH", "low", "0"]
	not attested_badly("scan", [_scan_of([{"id": "X-1", "severity": [{"method": "m", "score": score}]}])])
}

test_scan_that_is_critical[score] if {
	some score in ["9.0", 10, "10.0", "CRITICAL", "catastrophic", null, ""]
	attested_badly("scan", [_scan_of([{"id": "X-1", "severity": [{"method": "m", "score": score}]}])])
}

test_scan_without_severity if {
	attested_badly("scan", [_scan_of([{"id": "X-1"}])])
	attested_badly("scan", [_scan_of("none")])
}

_scan_of(results) := {"op": "replace", "path": "/attestations/2/predicate/scanner/result", "value": results}
