package pci_dss_4.evidence

# What the plan says of the resources. A property that is not in the plan, or not known yet, is not met.

unplanned contains finding if {
	not is_array(object.get(input, ["plan", "resources"], null))
	finding := {
		"message": "The plan does not say which resources there will be.",
		"path": "/plan/resources",
	}
}

unmet(aspect) := _lacking(aspect) | _alone(aspect)

_lacking(aspect) := {finding |
	some index, resource in _resources
	some need in requirements[aspect][resource.type]
	value := object.get(resource, array.concat(["inputs"], need.property), null)
	not _fits(value, need)
	finding := {
		"message": sprintf("%v: %s is not %s.", [
			object.get(resource, "name", resource.type),
			concat(".", need.property),
			_wanted(need),
		]),
		"path": sprintf("/plan/resources/%d/inputs/%s", [index, concat("/", need.property)]),
	}
}

# What is set by a resource of its own: as many of those as there are resources that need one.
_alone(aspect) := {finding |
	some first, companions in object.get(_companions, aspect, {})
	needing := [index | some index, resource in _resources; resource.type == first]
	there := [index | some index, resource in _resources; resource.type in companions]
	count(there) < count(needing)
	some index in needing
	finding := {
		"message": sprintf("%v may have no %s.", [object.get(_resources[index], "name", first), concat(" or ", companions)]),
		"path": sprintf("/plan/resources/%d", [index]),
	}
}

# A way in from anywhere, other than to the ports of the web.
exposed contains finding if {
	some index, resource in _resources
	some way in _ways_in(resource)
	some source in way.sources
	source in {"0.0.0.0/0", "::/0", "*", "Internet", "Any"}
	not _is_web(way)
	finding := {
		"message": sprintf("%v lets %s in to more than the ports 80 and 443.", [
			object.get(resource, "name", resource.type),
			source,
		]),
		"path": sprintf("/plan/resources/%d/inputs", [index]),
	}
}

requirements := {
	"encrypted": {
		"aws:dynamodb/table:Table": [{"property": ["serverSideEncryption", "enabled"], "one_of": {true}}],
		"aws:ebs/volume:Volume": [{"property": ["encrypted"], "one_of": {true}}],
		"aws:efs/fileSystem:FileSystem": [{"property": ["encrypted"], "one_of": {true}}],
		"aws:elasticache/replicationGroup:ReplicationGroup": [{
			"property": ["atRestEncryptionEnabled"],
			"one_of": {true},
		}],
		"aws:rds/cluster:Cluster": [{"property": ["storageEncrypted"], "one_of": {true}}],
		"aws:rds/instance:Instance": [{"property": ["storageEncrypted"], "one_of": {true}}],
		"aws:redshift/cluster:Cluster": [{"property": ["encrypted"], "one_of": {true}}],
		"azure-native:storage:StorageAccount": [{
			"property": ["encryption", "services", "blob", "enabled"],
			"one_of": {true},
		}],
	},
	"in_transit": {
		"aws:elasticache/replicationGroup:ReplicationGroup": [{
			"property": ["transitEncryptionEnabled"],
			"one_of": {true},
		}],
		"aws:lb/listener:Listener": [{"property": ["protocol"], "one_of": {"HTTPS", "TLS"}}],
		"azure-native:redis:Redis": [
			{"property": ["enableNonSslPort"], "one_of": {false}},
			{"property": ["minimumTlsVersion"], "one_of": {"1.2", "1.3"}},
		],
		"azure-native:redisenterprise:Database": [{"property": ["clientProtocol"], "one_of": {"Encrypted"}}],
		"azure-native:redisenterprise:RedisEnterprise": [{
			"property": ["minimumTlsVersion"],
			"one_of": {"1.2", "1.3"},
		}],
		"azure-native:storage:StorageAccount": [
			{"property": ["enableHttpsTrafficOnly"], "one_of": {true}},
			{"property": ["minimumTlsVersion"], "one_of": {"TLS1_2", "TLS1_3"}},
		],
		"azure-native:web:WebApp": [{"property": ["httpsOnly"], "one_of": {true}}],
		"gcp:redis/instance:Instance": [{
			"property": ["transitEncryptionMode"],
			"one_of": {"SERVER_AUTHENTICATION"},
		}],
		"gcp:sql/databaseInstance:DatabaseInstance": [{
			"property": ["settings", "ipConfiguration", "sslMode"],
			"one_of": {"ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"},
		}],
	},
	"private": {
		"aws:rds/instance:Instance": [{"property": ["publiclyAccessible"], "one_of": {false}}],
		"aws:redshift/cluster:Cluster": [{"property": ["publiclyAccessible"], "one_of": {false}}],
		"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": [
			{"property": ["blockPublicAcls"], "one_of": {true}},
			{"property": ["blockPublicPolicy"], "one_of": {true}},
			{"property": ["ignorePublicAcls"], "one_of": {true}},
			{"property": ["restrictPublicBuckets"], "one_of": {true}},
		],
		"azure-native:dbforpostgresql:Server": [{
			"property": ["network", "publicNetworkAccess"],
			"one_of": {"Disabled"},
		}],
		"azure-native:redis:Redis": [{"property": ["publicNetworkAccess"], "one_of": {"Disabled"}}],
		"azure-native:redisenterprise:RedisEnterprise": [{
			"property": ["publicNetworkAccess"],
			"one_of": {"Disabled"},
		}],
		"azure-native:storage:StorageAccount": [
			{"property": ["allowBlobPublicAccess"], "one_of": {false}},
			{"property": ["publicNetworkAccess"], "one_of": {"Disabled"}},
		],
		"gcp:sql/databaseInstance:DatabaseInstance": [{
			"property": ["settings", "ipConfiguration", "ipv4Enabled"],
			"one_of": {false},
		}],
		"gcp:storage/bucket:Bucket": [{"property": ["publicAccessPrevention"], "one_of": {"enforced"}}],
	},
	"logged": {
		"aws:ec2/flowLog:FlowLog": [{"property": ["trafficType"], "one_of": {"ALL"}}],
		"aws:rds/instance:Instance": [{"property": ["enabledCloudwatchLogsExports"], "at_least": 1}],
		"gcp:compute/subnetwork:Subnetwork": [{
			"property": ["logConfig", "aggregationInterval"],
			"one_of": {
				"INTERVAL_5_SEC", "INTERVAL_30_SEC", "INTERVAL_1_MIN",
				"INTERVAL_5_MIN", "INTERVAL_10_MIN", "INTERVAL_15_MIN",
			},
		}],
	},
	"retained": {
		"aws:cloudwatch/logGroup:LogGroup": [{"property": ["retentionInDays"], "at_least": 365}],
		"azure-native:operationalinsights:Workspace": [{"property": ["retentionInDays"], "at_least": 365}],
		"gcp:logging/projectBucketConfig:ProjectBucketConfig": [{"property": ["retentionDays"], "at_least": 365}],
	},
	"backed_up": {
		"aws:elasticache/replicationGroup:ReplicationGroup": [{"property": ["snapshotRetentionLimit"], "at_least": 1}],
		"aws:rds/cluster:Cluster": [{"property": ["backupRetentionPeriod"], "at_least": 7}],
		"aws:rds/instance:Instance": [{"property": ["backupRetentionPeriod"], "at_least": 7}],
		"azure-native:dbforpostgresql:Server": [{"property": ["backup", "backupRetentionDays"], "at_least": 7}],
		"gcp:sql/databaseInstance:DatabaseInstance": [{
			"property": ["settings", "backupConfiguration", "enabled"],
			"one_of": {true},
		}],
		"gcp:storage/bucket:Bucket": [{"property": ["versioning", "enabled"], "one_of": {true}}],
	},
}

_companions := {
	"private": {"aws:s3/bucket:Bucket": {"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"}},
	"logged": {
		"aws:ec2/vpc:Vpc": {"aws:ec2/flowLog:FlowLog"},
		"azure-native:network:VirtualNetwork": {"azure-native:network:FlowLog", "azure-native:monitor:DiagnosticSetting"},
	},
	"backed_up": {"aws:s3/bucket:Bucket": {"aws:s3/bucketVersioning:BucketVersioning"}},
}

_resources := input.plan.resources if {
	is_array(input.plan.resources)
} else := []

_fits(value, need) if value in need.one_of

_fits(value, need) if {
	is_number(value)
	value >= need.at_least
}

_fits(value, need) if {
	is_array(value)
	count(value) >= need.at_least
}

_wanted(need) := concat(" or ", {sprintf("%v", [each]) | some each in need.one_of}) if is_set(need.one_of)

_wanted(need) := sprintf("at least %d", [need.at_least])

_ways_in(resource) := [_aws_way(rule, "cidrBlocks", "ipv6CidrBlocks") | some rule in resource.inputs.ingress] if {
	resource.type == "aws:ec2/securityGroup:SecurityGroup"
}

_ways_in(resource) := [{
	"sources": {object.get(resource.inputs, "cidrIpv4", ""), object.get(resource.inputs, "cidrIpv6", "")},
	"ports": {sprintf("%v-%v", [object.get(resource.inputs, "fromPort", ""), object.get(resource.inputs, "toPort", "")])},
}] if {
	resource.type == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
}

_ways_in(resource) := [way |
	some rule in object.get(resource, ["inputs", "securityRules"], [])
	rule.direction == "Inbound"
	rule.access == "Allow"
	way := {
		"sources": ({object.get(rule, "sourceAddressPrefix", "")} | {each | some each in rule.sourceAddressPrefixes}),
		"ports": ({object.get(rule, "destinationPortRange", "")} | {each | some each in rule.destinationPortRanges}),
	}
] if {
	resource.type == "azure-native:network:NetworkSecurityGroup"
}

_ways_in(resource) := [way |
	object.get(resource, ["inputs", "direction"], "INGRESS") == "INGRESS"
	some rule in object.get(resource, ["inputs", "allows"], [])
	way := {
		"sources": {each | some each in resource.inputs.sourceRanges},
		"ports": {each | some each in object.get(rule, "ports", ["all"])},
	}
] if {
	resource.type == "gcp:compute/firewall:Firewall"
}

_aws_way(rule, four, six) := {
	"sources": ({each | some each in rule[four]} | {each | some each in rule[six]}),
	"ports": {sprintf("%v-%v", [object.get(rule, "fromPort", ""), object.get(rule, "toPort", "")])},
}

_is_web(way) if {
	ports := way.ports - {""}
	count(ports) > 0
	every port in ports {
		port in {"80", "443", "80-80", "443-443"}
	}
}
