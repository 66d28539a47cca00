package baseline_test

import data.baseline
import data.baseline.evidence_test

# What is taken from a sound release, and the rules that must say so.
cases := {
	"release-owner": {"patch": [{"op": "replace", "path": "/release/owner", "value": " "}], "breaks": {"release-owner"}},
	"source-revision": {"patch": [{"op": "replace", "path": "/release/source/revision", "value": "main"}], "breaks": {"source-revision"}},
	"artifact-digest": {"patch": [{"op": "add", "path": "/release/artifacts/-", "value": {"name": "extra"}}], "breaks": {"artifact-digest", "provenance"}},
	"package-inventory": {"patch": [{"op": "replace", "path": "/sbom/packages", "value": []}], "breaks": {"package-inventory"}},
	"critical-vulnerabilities": {"patch": [{"op": "add", "path": "/sbom/packages/0/vulnerabilities/-", "value": {"id": "CVE-2026-0001", "severity": "critical", "fixed_in": "3.1.3"}}], "breaks": {"critical-vulnerabilities"}},
	"provenance": {"patch": [{"op": "remove", "path": "/attestations/0"}], "breaks": {"provenance"}},
	"plan-stated": {"patch": [{"op": "remove", "path": "/plan"}], "breaks": {"plan-stated"}},
	"private-data": {"patch": [{"op": "remove", "path": "/plan/resources/0/inputs/publiclyAccessible"}], "breaks": {"private-data"}},
	"network-exposure": {"patch": [{"op": "replace", "path": "/plan/resources/2/inputs/ingress/0/fromPort", "value": 0}], "breaks": {"network-exposure"}},
}

rules(document) := found if {
	found := {violation.rule | some violation in baseline.deny} with input as document
}

test_a_sound_release_passes if rules(evidence_test.sound) == set()

test_what_breaks_each_rule[rule] if {
	some rule, case in cases
	rules(json.patch(evidence_test.sound, case.patch)) == case.breaks
}

test_nothing_known_is_reported[document] if {
	some document in [{}, {"release": {}, "attestations": [], "sbom": {}, "plan": {}}]
	rules(document) == {"artifact-digest", "package-inventory", "plan-stated", "provenance", "release-owner", "source-revision"}
}

test_a_violation_says_all_that_it_should if {
	some violation in baseline.deny with input as {}
	object.keys(violation) == {"rule", "level", "message", "path", "remediation"}
}

test_fewer_attestations_never_help[index] if {
	some index in numbers.range(0, count(evidence_test.sound.attestations) - 1)
	fewer := json.patch(evidence_test.sound, [{"op": "remove", "path": sprintf("/attestations/%d", [index])}])
	count(rules(evidence_test.sound) - rules(fewer)) == 0
}
