package hipaa_test

import data.hipaa
import data.hipaa.evidence_test

# What is taken from a sound release, and the rules that must say so.
cases := {
	"private-data": {"patch": [{"op": "remove", "path": "/plan/resources/0/inputs/publiclyAccessible"}], "breaks": {"private-data"}},
	"network-exposure": {"patch": [{"op": "replace", "path": "/plan/resources/2/inputs/ingress/0/fromPort", "value": 0}], "breaks": {"network-exposure"}},
	"encryption-at-rest": {"patch": [{"op": "replace", "path": "/plan/resources/0/inputs/storageEncrypted", "value": false}], "breaks": {"encryption-at-rest"}},
	"audit-logs": {"patch": [{"op": "replace", "path": "/plan/resources/0/inputs/enabledCloudwatchLogsExports", "value": []}], "breaks": {"audit-logs"}},
	"provenance": {"patch": [{"op": "remove", "path": "/attestations/0"}], "breaks": {"provenance"}},
	"artifact-digest": {"patch": [{"op": "add", "path": "/release/artifacts/-", "value": {"name": "extra"}}], "breaks": {"artifact-digest", "provenance", "vulnerability-scan"}},
	"encryption-in-transit": {"patch": [{"op": "replace", "path": "/plan/resources/1/inputs/protocol", "value": "HTTP"}], "breaks": {"encryption-in-transit"}},
	"backups": {"patch": [{"op": "replace", "path": "/plan/resources/0/inputs/backupRetentionPeriod", "value": 1}], "breaks": {"backups"}},
	"vulnerability-scan": {"patch": [{"op": "remove", "path": "/attestations/2"}], "breaks": {"vulnerability-scan"}},
	"package-inventory": {"patch": [{"op": "replace", "path": "/sbom/packages", "value": []}], "breaks": {"package-inventory"}},
	"source-revision": {"patch": [{"op": "replace", "path": "/release/source/revision", "value": "main"}], "breaks": {"source-revision"}},
	"plan-stated": {"patch": [{"op": "remove", "path": "/plan"}], "breaks": {"plan-stated"}},
}

rules(document) := found if {
	found := {violation.rule | some violation in hipaa.deny} with input as document
}

test_a_sound_release_passes if rules(evidence_test.sound) == set()

test_what_breaks_each_rule[rule] if {
	some rule, case in cases
	rules(json.patch(evidence_test.sound, case.patch)) == case.breaks
}

test_nothing_known_is_reported[document] if {
	some document in [{}, {"release": {}, "attestations": [], "sbom": {}, "plan": {}}]
	rules(document) == {"artifact-digest", "package-inventory", "plan-stated", "provenance", "source-revision", "vulnerability-scan"}
}

test_a_violation_says_all_that_it_should if {
	some violation in hipaa.deny with input as {}
	object.keys(violation) == {"rule", "level", "message", "path", "remediation"}
}

test_fewer_attestations_never_help[index] if {
	some index in numbers.range(0, count(evidence_test.sound.attestations) - 1)
	fewer := json.patch(evidence_test.sound, [{"op": "remove", "path": sprintf("/attestations/%d", [index])}])
	count(rules(evidence_test.sound) - rules(fewer)) == 0
}
