package baseline.evidence_test

# A release of which everything is known and well, for tests to take something away from.

digest := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

revision := "0123456789abcdef0123456789abcdef01234567"

attested(type, predicate) := {
	"predicate_type": type,
	"verified": true,
	"signer": "ci",
	"subjects": [{"name": "shop", "digest": digest}],
	"predicate": predicate,
}

sound := {
	"release": {
		"service": "shop",
		"version": "1.4.0",
		"owner": "payments",
		"author": "ada",
		"source": {"repository": "acme/shop", "revision": revision},
		"artifacts": [{"name": "shop", "digest": digest}],
		"approvals": [{"by": "grace"}],
	},
	"attestations": [
		attested("https://slsa.dev/provenance/v1", {
			"buildDefinition": {
				"buildType": "https://actions.github.io/buildtypes/workflow/v1",
				"externalParameters": {"workflow": {"repository": "acme/shop"}},
				"internalParameters": {"github": {"runner_environment": "github-hosted"}},
				"resolvedDependencies": [{"uri": "git+acme/shop", "digest": {"gitCommit": revision}}],
			},
			"runDetails": {"builder": {"id": "https://github.com/acme/ci/.github/workflows/build.yml@refs/tags/v1.0.0"}},
		}),
		attested("https://cyclonedx.org/bom", {}),
		attested("https://in-toto.io/attestation/vulns/v0.2", {"scanner": {"result": []}}),
		attested("https://in-toto.io/attestation/test-result/v0.1", {"result": "PASSED"}),
	],
	"sbom": {"packages": [{"name": "flask", "purl": "pkg:pypi/flask@3.1.2", "vulnerabilities": []}]},
	"plan": {"resources": [
		{
			"type": "aws:rds/instance:Instance",
			"name": "orders",
			"inputs": {
				"storageEncrypted": true,
				"publiclyAccessible": false,
				"backupRetentionPeriod": 14,
				"enabledCloudwatchLogsExports": ["postgresql"],
			},
		},
		{
			"type": "aws:lb/listener:Listener",
			"name": "https",
			"inputs": {"protocol": "HTTPS"},
		},
		{
			"type": "aws:ec2/securityGroup:SecurityGroup",
			"name": "web",
			"inputs": {"ingress": [{"fromPort": 443, "toPort": 443, "cidrBlocks": ["0.0.0.0/0"]}]},
		},
		{
			"type": "aws:cloudwatch/logGroup:LogGroup",
			"name": "audit",
			"inputs": {"retentionInDays": 400},
		},
	]},
}
