package @module@

# METADATA
# title: Every release has an owner
deny contains violation if {
	not input.release.owner
	violation := {
		"rule": "release-owner",
		"level": "advisory",
		"message": "The release has no owner.",
		"path": "/release/owner",
		"remediation": "Name the team that owns the release.",
	}
}
