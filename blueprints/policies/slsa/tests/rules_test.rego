package slsa_test

import data.slsa
import data.slsa.evidence_test

builder := "/attestations/0/predicate/runDetails/builder/id"

definition := "/attestations/0/predicate/buildDefinition"

everything := {"provenance-complete", "provenance-authentic", "hosted-build", "source-match", "isolated-build"}

# What is taken from a sound release, and the rules that must say so.
cases := {
	"no attestations": {"patch": [_put("/attestations", [])], "breaks": everything},
	"attestations that are no list": {"patch": [_put("/attestations", "none")], "breaks": everything},
	"of another artifact": {"patch": [_put("/attestations/0/subjects/0/digest", "sha256:00")], "breaks": everything},
	"another predicate": {"patch": [_put("/attestations/0/predicate_type", "https://slsa.dev/provenance/v0.2")], "breaks": everything},
	"no build type": {"patch": [_put(sprintf("%s/buildType", [definition]), "")], "breaks": everything},
	"no parameters": {"patch": [{"op": "remove", "path": sprintf("%s/externalParameters", [definition])}], "breaks": everything},
	"no builder": {"patch": [_put(builder, "")], "breaks": everything},
	"not verified": {"patch": [_put("/attestations/0/verified", false)], "breaks": everything - {"provenance-complete"}},
	"verified in words": {"patch": [_put("/attestations/0/verified", "true")], "breaks": everything - {"provenance-complete"}},
	"a machine of one's own": {
		"patch": [_put(sprintf("%s/internalParameters/github/runner_environment", [definition]), "self-hosted")],
		"breaks": {"hosted-build", "isolated-build"},
	},
	"another commit": {
		"patch": [_put(sprintf("%s/resolvedDependencies/0/digest/gitCommit", [definition]), "ffff")],
		"breaks": {"source-match"},
	},
	"the repository's own workflow": {
		"patch": [_put(builder, "https://github.com/acme/shop/.github/workflows/build.yml@refs/tags/v1.0.0")],
		"breaks": {"isolated-build"},
	},
	"a workflow from a branch": {
		"patch": [_put(builder, "https://github.com/acme/ci/.github/workflows/build.yml@refs/heads/main")],
		"breaks": {"isolated-build"},
	},
	"a source without a name": {"patch": [_put("/release/source/repository", "")], "breaks": {"isolated-build"}},
	"a tag for a digest": {
		"patch": [_put("/release/artifacts/0/digest", "latest")],
		"breaks": (everything | {"artifact-digest"}),
	},
	"no artifact": {"patch": [_put("/release/artifacts", [])], "breaks": {"artifact-digest"}},
}

rules(document) := found if {
	found := {violation.rule | some violation in slsa.deny} with input as document
}

test_a_sound_release_passes if rules(evidence_test.sound) == set()

test_what_breaks_each_rule[note] if {
	some note, case in cases
	rules(json.patch(evidence_test.sound, case.patch)) == case.breaks
}

test_hosted_builders[id] if {
	some id in [
		"https://github.com/actions/runner/github-hosted",
		"https://cloudbuild.googleapis.com/GoogleHostedWorker@v1",
	]
	not "hosted-build" in rules(json.patch(evidence_test.sound, [
		_put(builder, id),
		{"op": "remove", "path": sprintf("%s/internalParameters", [definition])},
	]))
}

test_one_good_provenance_is_enough if {
	worse := json.patch(evidence_test.sound.attestations[0], [_put("/verified", false)])
	rules(json.patch(evidence_test.sound, [_put("/attestations/-", worse)])) == set()
}

test_the_source_may_be_an_address if {
	own := json.patch(evidence_test.sound, [
		_put(builder, "https://github.com/acme/shop/.github/workflows/build.yml@refs/tags/v1.0.0"),
		_put("/release/source/repository", "https://github.com/acme/shop.git"),
	])
	rules(own) == {"isolated-build"}
}

test_fewer_attestations_never_help[index] if {
	some index in numbers.range(0, count(evidence_test.sound.attestations) - 1)
	fewer := json.patch(evidence_test.sound, [{"op": "remove", "path": sprintf("/attestations/%d", [index])}])
	count(rules(evidence_test.sound) - rules(fewer)) == 0
}

_put(path, value) := {"op": "add", "path": path, "value": value}
