package soc2

import data.soc2.evidence

# METADATA
# title: Data stores cannot be reached from the internet
# custom:
#   controls: ["CC6.1", "CC6.6"]
deny contains violation if {
	some finding in evidence.unmet("private")
	violation := {
		"rule": "private-data",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Close the public access, and reach the data through the private network.",
	}
}

# METADATA
# title: Data is encrypted where it is stored
# custom:
#   controls: ["CC6.1"]
deny contains violation if {
	some finding in evidence.unmet("encrypted")
	violation := {
		"rule": "encryption-at-rest",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Turn encryption at rest on.",
	}
}

# METADATA
# title: Nothing but the ports of the web is open to the internet
# custom:
#   controls: ["CC6.6"]
deny contains violation if {
	some finding in evidence.exposed
	violation := {
		"rule": "network-exposure",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Name the networks that may come in, or put a load balancer before it.",
	}
}

# METADATA
# title: Data is encrypted on its way
# custom:
#   controls: ["CC6.7"]
deny contains violation if {
	some finding in evidence.unmet("in_transit")
	violation := {
		"rule": "encryption-in-transit",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Accept encrypted connections only.",
	}
}

# METADATA
# title: Every artifact has verified provenance
# custom:
#   controls: ["CC6.8", "CC8.1"]
deny contains violation if {
	some finding in evidence.unattested("provenance")
	violation := {
		"rule": "provenance",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Let the build attest its provenance, signed with an identity that the trust policy knows.",
	}
}

# METADATA
# title: Every artifact has a verified scan without critical results
# custom:
#   controls: ["CC7.1"]
deny contains violation if {
	some finding in evidence.unattested("scan")
	violation := {
		"rule": "vulnerability-scan",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Scan the artifact in the build, and attest the result.",
	}
}

# METADATA
# title: No package has a critical or high vulnerability
# custom:
#   controls: ["CC7.1"]
deny contains violation if {
	some finding in evidence.vulnerable({"critical", "high"})
	violation := {
		"rule": "known-vulnerabilities",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Upgrade the package, or attest by VEX why it is not affected.",
	}
}

# METADATA
# title: The packages of a release are known
# custom:
#   controls: ["CC7.1"]
deny contains violation if {
	some finding in evidence.uninventoried
	violation := {
		"rule": "package-inventory",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Attach the bill of materials to the release.",
	}
}

# METADATA
# title: Networks and databases write logs
# custom:
#   controls: ["CC7.2"]
deny contains violation if {
	some finding in evidence.unmet("logged")
	violation := {
		"rule": "audit-logs",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Turn the logs on.",
	}
}

# METADATA
# title: Somebody other than the author approved the release
# custom:
#   controls: ["CC8.1"]
deny contains violation if {
	some finding in evidence.unreviewed
	violation := {
		"rule": "peer-review",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Have somebody other than the author approve the release.",
	}
}

# METADATA
# title: Every artifact has a verified test result that passed
# custom:
#   controls: ["CC8.1"]
deny contains violation if {
	some finding in evidence.unattested("tests")
	violation := {
		"rule": "tests-passed",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Attest the result of the tests that ran on this commit.",
	}
}

# METADATA
# title: A release is built from a full commit id, because branches and tags move
# custom:
#   controls: ["CC8.1"]
deny contains violation if {
	some finding in evidence.unpinned
	violation := {
		"rule": "source-revision",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Give the full id of the commit that was built.",
	}
}

# METADATA
# title: Artifacts are named by digest
# custom:
#   controls: ["CC8.1"]
deny contains violation if {
	some finding in evidence.undigested
	violation := {
		"rule": "artifact-digest",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Record the digest that the registry answered when the artifact was pushed.",
	}
}

# METADATA
# title: Data that is lost can be restored
# custom:
#   controls: ["A1.2"]
deny contains violation if {
	some finding in evidence.unmet("backed_up")
	violation := {
		"rule": "backups",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Turn backups or versions on, and keep them for a week at the least.",
	}
}

# METADATA
# title: A release says which resources it changes
# custom:
#   controls: ["CC8.1"]
deny contains violation if {
	some finding in evidence.unplanned
	violation := {
		"rule": "plan-stated",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Preview the infrastructure and attach the plan, an empty one where there is none.",
	}
}
