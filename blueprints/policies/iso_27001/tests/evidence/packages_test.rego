package iso_27001.evidence_test

import data.iso_27001.evidence

test_packages_that_are_fine if {
evidence.uninventoried |
	evidence.unversioned == set() with input as sound
	evidence.vulnerable({"critical"}) == set() with input as sound
}

test_no_packages[value] if {
	some value in [[], "none", {}]
	count(evidence.uninventoried) == 1 with input as json.patch(sound, [{"op": "replace", "path": "/sbom/packages", "value": value}])
}

test_a_package_without_version[purl] if {
	some purl in ["pkg:pypi/flask", "flask", "pkg:pypi/flask@", ""]
	count(evidence.unversioned) == 1 with input as json.patch(sound, [{"op": "replace", "path": "/sbom/packages/0/purl", "value": purl}])
}

test_vulnerable if {
	found := evidence.vulnerable({"critical", "high"}) with input as _with_vulnerability({"id": "X-1", "severity": "HIGH"})
	{each.path | some each in found} == {"/sbom/packages/0/vulnerabilities/0"}
}

test_packages_that_are_not_listed[value] if {
	some value in [false, "false", null]
	cut := json.patch(sound, [{"op": "add", "path": "/sbom/complete", "value": value}])
	found := evidence.vulnerable({"critical"}) with input as cut
	{each.path | some each in found} == {"/sbom/complete"}
	evidence.fixable({"critical"}) == set() with input as cut
}

test_an_unknown_severity_is_critical[severity] if {
	some severity in ["severe", null, ""]
	count(evidence.vulnerable({"critical"})) == 1 with input as _with_vulnerability({"id": "X-1", "severity": severity})
}

test_set_aside[status] if {
	some status in ["not_affected", "fixed"]
	evidence.vulnerable({"high"}) == set() with input as _with_vulnerability({"id": "X-1", "severity": "high", "status": status})
}

test_not_set_aside[status] if {
	some status in ["affected", "under_investigation", "whatever", ""]
	count(evidence.vulnerable({"high"})) == 1 with input as _with_vulnerability({"id": "X-1", "severity": "high", "status": status})
}

test_fixable if {
	count(evidence.fixable({"high"})) == 1 with input as _with_vulnerability({"id": "X-1", "severity": "high", "fixed_in": "3.1.3"})
	evidence.fixable({"high"}) == set() with input as _with_vulnerability({"id": "X-1", "severity": "high"})
}

_with_vulnerability(vulnerability) := json.patch(sound, [{
	"op": "add",
	"path": "/sbom/packages/0/vulnerabilities/-",
	"value": vulnerability,
}])
