package hipaa

import data.hipaa.evidence

# METADATA
# title: Data stores cannot be reached from the internet
# custom:
#   controls: ["164.312(a)(1)"]
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
#   controls: ["164.312(a)(1)"]
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
# title: Data is encrypted where it is stored
# custom:
#   controls: ["164.312(a)(2)(iv)"]
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
# title: Networks and databases write logs
# custom:
#   controls: ["164.312(b)"]
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
# title: Every artifact has verified provenance
# custom:
#   controls: ["164.312(c)(1)"]
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
# title: Artifacts are named by digest
# custom:
#   controls: ["164.312(c)(2)"]
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
# title: Data is encrypted on its way
# custom:
#   controls: ["164.312(e)(1)", "164.312(e)(2)(ii)"]
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
# title: Data that is lost can be restored
# custom:
#   controls: ["164.308(a)(7)(ii)(A)"]
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
# title: Every artifact has a verified scan without critical results
# custom:
#   controls: ["164.308(a)(1)(ii)(A)"]
deny contains violation if {
	some finding in evidence.unattested("scan")
	violation := {
		"rule": "vulnerability-scan",
		"level": "advisory",
		"message": finding.message,
		"path": finding.path,
		"remediation": "Scan the artifact in the build, and attest the result.",
	}
}

# METADATA
# title: The packages of a release are known
# custom:
#   controls: ["164.308(a)(1)(ii)(A)"]
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
# title: A release is built from a full commit id, because branches and tags move
# custom:
#   controls: ["164.312(c)(1)"]
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
# title: A release says which resources it changes
# custom:
#   controls: ["164.308(a)(8)"]
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
