package nist_ssdf

import data.nist_ssdf.evidence

# METADATA
# title: Every artifact has verified provenance
# custom:
#   controls: ["PO.3.3", "PS.3.2"]
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
# title: A release is built from a full commit id, because branches and tags move
# custom:
#   controls: ["PS.1.1"]
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
#   controls: ["PS.2.1", "PS.3.1"]
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
# title: Every artifact has a verified bill of materials
# custom:
#   controls: ["PS.3.2"]
deny contains violation if {
	some finding in evidence.unattested("sbom")
	violation := {
		"rule": "bill-of-materials",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Make a CycloneDX or SPDX document in the build and attest it.",
	}
}

# METADATA
# title: The packages of a release are known
# custom:
#   controls: ["PW.4.1"]
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
# title: Every package has a version
# custom:
#   controls: ["PW.4.1"]
deny contains violation if {
	some finding in evidence.unversioned
	violation := {
		"rule": "package-versions",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Lock the dependencies before the bill of materials is made.",
	}
}

# METADATA
# title: No package has a critical or high vulnerability
# custom:
#   controls: ["PW.4.4"]
deny contains violation if {
	some finding in evidence.vulnerable({"critical", "high"})
	violation := {
		"rule": "known-vulnerabilities",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Upgrade the package, or attest by VEX why it is not affected.",
	}
}

# METADATA
# title: Somebody other than the author approved the release
# custom:
#   controls: ["PW.7.2"]
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
#   controls: ["PW.8.2"]
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
# title: Data stores cannot be reached from the internet
# custom:
#   controls: ["PW.9.1"]
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
#   controls: ["PW.9.1"]
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
# title: Data is encrypted on its way
# custom:
#   controls: ["PW.9.1"]
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
# title: A release says which resources it changes
# custom:
#   controls: ["PW.9.1"]
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

# METADATA
# title: Every artifact has a verified scan without critical results
# custom:
#   controls: ["RV.1.1"]
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
# title: Fixes of critical and high vulnerabilities are taken up
# custom:
#   controls: ["RV.2.2"]
deny contains violation if {
	some finding in evidence.fixable({"critical", "high"})
	violation := {
		"rule": "overdue-patches",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Upgrade to the version that fixes it.",
	}
}

# METADATA
# title: A release names the team that owns it
# custom:
#   controls: ["PO.2.1"]
deny contains violation if {
	some finding in evidence.ownerless
	violation := {
		"rule": "release-owner",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Name the team that answers for the release.",
	}
}
