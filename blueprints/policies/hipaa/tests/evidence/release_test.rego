package hipaa.evidence_test

import data.hipaa.evidence

release_findings(patch) := found if {
	found := ((evidence.ownerless | evidence.unpinned) | evidence.undigested) | evidence.unreviewed with input as json.patch(sound, patch)
}

test_nothing_is_found_in_a_sound_release if release_findings([]) == set()

test_owner[value] if {
	some value in ["", "  ", 7]
	{found.path | some found in release_findings([_put("/release/owner", value)])} == {"/release/owner"}
}

test_revision[value] if {
	some value in ["main", "0123abc", 7]
	{found.path | some found in release_findings([_put("/release/source/revision", value)])} == {"/release/source/revision"}
}

test_artifacts[value] if {
	some value in [[], "none", {}]
	{found.path | some found in release_findings([_put("/release/artifacts", value)])} == {"/release/artifacts"}
}

test_an_artifact_by_tag if {
	{found.path | some found in release_findings([_put("/release/artifacts/0/digest", "latest")])} == {"/release/artifacts/0/digest"}
}

test_nobody_else_approved[value] if {
	some value in [[], [{"by": "ada"}], [{"by": "ADA"}], [{"by": " "}], "grace"]
	{found.path | some found in release_findings([_put("/release/approvals", value)])} == {"/release/approvals"}
}

test_an_unknown_author if {
	{found.path | some found in release_findings([_put("/release/author", "")])} == {"/release/approvals"}
}

_put(path, value) := {"op": "add", "path": path, "value": value}
