package baseline

import data.baseline.evidence

# METADATA
# title: A release names the team that owns it
# custom:
#   controls: ["ownership"]
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

# METADATA
# title: A release is built from a full commit id, because branches and tags move
# custom:
#   controls: ["provenance"]
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
#   controls: ["provenance"]
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
# title: The packages of a release are known
# custom:
#   controls: ["supply-chain"]
deny contains violation if {
	some finding in evidence.uninventoried
	violation := {
		"rule": "package-inventory",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Attach the bill of materials to the release.",
	}
}

# METADATA
# title: No package has a critical vulnerability
# custom:
#   controls: ["supply-chain"]
deny contains violation if {
	some finding in evidence.vulnerable({"critical"})
	violation := {
		"rule": "critical-vulnerabilities",
		"level": "mandatory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Upgrade the package, or attest by VEX why it is not affected.",
	}
}

# METADATA
# title: Every artifact has verified provenance
# custom:
#   controls: ["provenance"]
deny contains violation if {
	some finding in evidence.unattested("provenance")
	violation := {
		"rule": "provenance",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Let the build attest its provenance, signed with an identity that the trust policy knows.",
	}
}

# METADATA
# title: A release says which resources it changes
# custom:
#   controls: ["infrastructure"]
deny contains violation if {
	some finding in evidence.unplanned
	violation := {
		"rule": "plan-stated",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Preview the infrastructure and attach the plan, an empty one where there is none.",
	}
}

# METADATA
# title: Data stores cannot be reached from the internet
# custom:
#   controls: ["infrastructure"]
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
# title: Nothing but the ports of the web is open to the internet
# custom:
#   controls: ["infrastructure"]
deny contains violation if {
	some finding in evidence.exposed
	violation := {
		"rule": "network-exposure",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Name the networks that may come in, or put a load balancer before it.",
	}
}
