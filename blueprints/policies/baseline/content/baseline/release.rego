package baseline

# METADATA
# title: A release names the team that owns it
deny contains violation if {
	not has_owner
	violation := {
		"rule": "release-owner",
		"level": "advisory",
		"message": "The release has no owner.",
		"path": "/release/owner",
		"remediation": "Name the team that answers for the release.",
	}
}

# METADATA
# title: A release is built from a full commit id, because branches and tags move
deny contains violation if {
	not regex.match(`^[0-9a-f]{40}([0-9a-f]{24})?$`, object.get(input.release, ["source", "revision"], ""))
	violation := {
		"rule": "source-revision",
		"level": "mandatory",
		"message": "The source of the release is not a full commit id.",
		"path": "/release/source/revision",
		"remediation": "Give the full id of the commit that was built.",
	}
}

# METADATA
# title: Artifacts are named by digest
deny contains violation if {
	some index, artifact in object.get(input.release, "artifacts", [])
	not regex.match(`^sha256:[0-9a-f]{64}$`, object.get(artifact, "digest", ""))
	violation := {
		"rule": "artifact-digest",
		"level": "mandatory",
		"message": sprintf("The artifact %v has no SHA-256 digest.", [object.get(artifact, "name", index)]),
		"path": sprintf("/release/artifacts/%d/digest", [index]),
		"remediation": "Record the digest that the registry answered when the artifact was pushed.",
	}
}

has_owner if {
	trim_space(input.release.owner) != ""
}
