package slsa

import data.slsa.evidence

# METADATA
# title: Every artifact is named by its digest, which provenance speaks of
# custom:
#   controls: ["Build-L1"]
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
# title: Provenance says how each artifact was built (build type, parameters, builder)
# custom:
#   controls: ["Build-L1"]
deny contains violation if {
	some artifact in lacking(complete)
	violation := {
		"rule": "provenance-complete",
		"level": "mandatory",
		"message": sprintf("%s has no provenance with build type, parameters and builder.", [artifact.name]),
		"path": artifact.path,
		"remediation": "Let the build attest SLSA provenance 1.0 for this digest.",
	}
}

# METADATA
# title: The provenance is signed by an identity that the trust policy knows
# custom:
#   controls: ["Build-L2"]
deny contains violation if {
	some artifact in lacking(complete & verified)
	violation := {
		"rule": "provenance-authentic",
		"level": "mandatory",
		"message": sprintf("%s has no provenance whose signature was verified.", [artifact.name]),
		"path": artifact.path,
		"remediation": "Sign the provenance in the build, and add its signer to the trust policy.",
	}
}

# METADATA
# title: The build ran on a hosted platform
# custom:
#   controls: ["Build-L2"]
deny contains violation if {
	some artifact in lacking((complete & verified) & hosted)
	violation := {
		"rule": "hosted-build",
		"level": "mandatory",
		"message": sprintf("%s was not shown to be built on a hosted platform.", [artifact.name]),
		"path": artifact.path,
		"remediation": "Build on runners that the platform hosts, and let the provenance say so.",
	}
}

# METADATA
# title: The artifact was built from the commit that the release names
# custom:
#   controls: ["Verification"]
deny contains violation if {
	some artifact in lacking((complete & verified) & from_the_source)
	violation := {
		"rule": "source-match",
		"level": "mandatory",
		"message": sprintf("%s was not shown to be built from the commit of the release.", [artifact.name]),
		"path": artifact.path,
		"remediation": "Release what was built from this commit, or name the commit that it was built from.",
	}
}

# METADATA
# title: A workflow apart from the repository's own, at a fixed version, made the provenance
# custom:
#   controls: ["Build-L3"]
deny contains violation if {
	some artifact in lacking(((complete & verified) & hosted) & isolated)
	violation := {
		"rule": "isolated-build",
		"level": "advisory",
		"message": sprintf("%s was not shown to be built by a shared workflow at a fixed version.", [artifact.name]),
		"path": artifact.path,
		"remediation": "Build in a reusable workflow of a repository of its own, called by tag or commit.",
	}
}

# The artifacts for which no attestation is among these: one that is enough is enough.
lacking(good) := {artifact |
	some index, each in evidence.artifacts
	count(_provenance(each) & good) == 0
	artifact := {
		"name": sprintf("%v", [object.get(each, "name", index)]),
		"path": sprintf("/release/artifacts/%d", [index]),
	}
}

complete contains index if {
	some index, attestation in input.attestations
	attestation.predicate_type == "https://slsa.dev/provenance/v1"
	definition := attestation.predicate.buildDefinition
	definition.buildType != ""
	is_object(definition.externalParameters)
	attestation.predicate.runDetails.builder.id != ""
}

verified contains index if {
	some index, attestation in input.attestations
	attestation.verified == true
}

hosted contains index if {
	some index, attestation in input.attestations
	attestation.predicate.buildDefinition.internalParameters.github.runner_environment == "github-hosted"
}

hosted contains index if {
	some index, attestation in input.attestations
	some builder in {
		"https://github.com/actions/runner/github-hosted",
		"https://github.com/slsa-framework/slsa-github-generator/",
		"https://cloudbuild.googleapis.com/GoogleHostedWorker",
	}
	startswith(attestation.predicate.runDetails.builder.id, builder)
}

from_the_source contains index if {
	some index, attestation in input.attestations
	some dependency in attestation.predicate.buildDefinition.resolvedDependencies
	dependency.digest.gitCommit == input.release.source.revision
}

isolated contains index if {
	some index, attestation in input.attestations
	builder := attestation.predicate.runDetails.builder.id
	regex.match(`^https://github\.com/[^/@]+/[^/@]+/\.github/workflows/[^@]+@(refs/tags/v[0-9]|[0-9a-f]{40}$)`, builder)
	source := object.get(input, ["release", "source", "repository"], "")
	source != ""
	not startswith(builder, sprintf("https://github.com/%s/.github/", [_repository(source)]))
}

_repository(source) := trim_suffix(trim_prefix(source, "https://github.com/"), ".git")

_provenance(artifact) := {index |
	some index, attestation in input.attestations
	some subject in attestation.subjects
	subject.digest == artifact.digest
}
