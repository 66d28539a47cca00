package baseline_test

import data.baseline

revision := "0123456789abcdef0123456789abcdef01234567"

digest := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

sound := {
	"owner": "payments",
	"source": {"revision": revision},
	"artifacts": [{"name": "shop", "digest": digest}],
}

rules(release) := {violation.rule | some violation in baseline.deny} with input as {"release": release}

test_a_sound_release_passes if {
	rules(sound) == set()
}

test_a_release_without_owner if {
	rules(object.remove(sound, ["owner"])) == {"release-owner"}
}

test_a_release_with_a_blank_owner if {
	rules(object.union(sound, {"owner": " "})) == {"release-owner"}
}

test_a_release_from_a_branch if {
	rules(object.union(sound, {"source": {"revision": "main"}})) == {"source-revision"}
}

test_an_artifact_without_digest if {
	rules(object.union(sound, {"artifacts": [{"name": "shop"}]})) == {"artifact-digest"}
}

test_an_empty_release if {
	rules({}) == {"release-owner", "source-revision"}
}
