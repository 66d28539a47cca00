package pci_dss_4.evidence

# What the bill of materials says. A release whose packages are not known has a finding of its own, so leaving the
# bill out never helps.

uninventoried contains finding if {
	count(_packages) == 0
	finding := {"message": "The packages of the release are not known.", "path": "/sbom/packages"}
}

unversioned contains finding if {
	some index, each in _packages
	not regex.match(`^pkg:[a-z][a-z0-9.+-]*/[^@]+@[^@?#]+`, object.get(each, "purl", ""))
	finding := {
		"message": sprintf("The package %v has no package URL with a version.", [object.get(each, "name", index)]),
		"path": sprintf("/sbom/packages/%d/purl", [index]),
	}
}

# A vulnerability is set aside by a statement (VEX) that it does not apply, and by nothing else. What the input does
# not list may hold anything, so that it is a finding as well.
vulnerable(severities) := {finding |
	some index, each in _packages
	some position, vulnerability in each.vulnerabilities
	_severity(vulnerability) in severities
	not object.get(vulnerability, "status", "affected") in {"not_affected", "fixed"}
	finding := {
		"message": sprintf("%v has the %v vulnerability %v.", [
			object.get(each, "name", index),
			_severity(vulnerability),
			object.get(vulnerability, "id", "without a name"),
		]),
		"path": sprintf("/sbom/packages/%d/vulnerabilities/%d", [index, position]),
	}
} | {finding |
	object.get(input, ["sbom", "complete"], true) != true
	finding := {
		"message": "There are more packages than the input lists, so that not all of them can be looked at.",
		"path": "/sbom/complete",
	}
}

# One that a new version of the package would end.
fixable(severities) := {finding |
	some finding in vulnerable(severities)
	parts := split(finding.path, "/")
	vulnerability := _packages[to_number(parts[3])].vulnerabilities[to_number(parts[5])]
	object.get(vulnerability, "fixed_in", "") != ""
}

_packages := input.sbom.packages if {
	is_array(input.sbom.packages)
} else := []

_severity(vulnerability) := lower(vulnerability.severity) if {
	lower(vulnerability.severity) in {"none", "low", "medium", "high", "critical"}
} else := "critical"
