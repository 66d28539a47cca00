package iso_27001.evidence

# What a release says of itself. Every rule yields {message, path}; silence is a finding, never an answer.

ownerless contains finding if {
	not _has_owner
	finding := {"message": "The release names no owner.", "path": "/release/owner"}
}

unpinned contains finding if {
	not regex.match(`^[0-9a-f]{40}([0-9a-f]{24})?$`, object.get(input, ["release", "source", "revision"], ""))
	finding := {
		"message": "The source of the release is not a full commit id.",
		"path": "/release/source/revision",
	}
}

undigested contains finding if {
	count(artifacts) == 0
	finding := {"message": "The release names no artifact.", "path": "/release/artifacts"}
}

undigested contains finding if {
	some index, artifact in artifacts
	not regex.match(`^sha256:[0-9a-f]{64}$`, object.get(artifact, "digest", ""))
	finding := {
		"message": sprintf("The artifact %v has no SHA-256 digest.", [object.get(artifact, "name", index)]),
		"path": sprintf("/release/artifacts/%d/digest", [index]),
	}
}

unreviewed contains finding if {
	not _reviewed
	finding := {
		"message": "Nobody but the author has approved the release.",
		"path": "/release/approvals",
	}
}

artifacts := input.release.artifacts if {
	is_array(input.release.artifacts)
} else := []

_has_owner if trim_space(input.release.owner) != ""

_reviewed if {
	author := trim_space(input.release.author)
	author != ""
	some approval in input.release.approvals
	approver := trim_space(approval.by)
	approver != ""
	lower(approver) != lower(author)
}
