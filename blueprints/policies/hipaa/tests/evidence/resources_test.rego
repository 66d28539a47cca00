package hipaa.evidence_test

import data.hipaa.evidence

aspects := ["encrypted", "in_transit", "private", "logged", "retained", "backed_up"]

test_resources_that_are_fine[aspect] if {
	some aspect in aspects
	evidence.unmet(aspect) == set() with input as sound
	evidence.unplanned | evidence.exposed == set() with input as sound
}

test_no_plan[value] if {
	some value in ["none", {}]
	count(evidence.unplanned) == 1 with input as json.patch(sound, [{"op": "replace", "path": "/plan/resources", "value": value}])
	evidence.unmet("encrypted") == set() with input as {}
}

test_what_is_not_said_is_not_met[type] if {
	some aspect in aspects
	some type, needs in evidence.requirements[aspect]
	count(evidence.unmet(aspect)) >= count(needs) with input as {"plan": {"resources": [{"type": type, "inputs": {}}]}}
	unknown := object.union_n([_nested(need.property, "04da6b54-80e4-46f7-96ec-b56ff0331ba9") | some need in needs])
	count(evidence.unmet(aspect)) >= count(needs) with input as {"plan": {"resources": [{"type": type, "inputs": unknown}]}}
}

test_what_is_said_is_met[type] if {
	some aspect in aspects
	some type, needs in evidence.requirements[aspect]
	met := object.union_n([_nested(need.property, _good(need)) | some need in needs])
	evidence.unmet(aspect) == set() with input as {"plan": {"resources": [{"type": type, "inputs": met}]}}
}

test_a_bucket_on_its_own[aspect] if {
	some aspect in ["private", "backed_up"]
	count(evidence.unmet(aspect)) > 0 with input as with_resource("aws:s3/bucket:Bucket", {})
}

test_a_network_with_its_flow_log if {
	alone := with_resource("aws:ec2/vpc:Vpc", {})
	count(evidence.unmet("logged")) == 1 with input as alone
	evidence.unmet("logged") == set() with input as json.patch(alone, [{
		"op": "add",
		"path": "/plan/resources/-",
		"value": {"type": "aws:ec2/flowLog:FlowLog", "inputs": {"trafficType": "ALL"}},
	}])
}

open_ways := [
	["aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"fromPort": 22, "toPort": 22, "cidrBlocks": ["0.0.0.0/0"]}]}],
	["aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"fromPort": 0, "toPort": 0, "ipv6CidrBlocks": ["::/0"]}]}],
	["aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"cidrBlocks": ["0.0.0.0/0"]}]}],
	["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv4": "0.0.0.0/0", "fromPort": 80, "toPort": 443}],
	["azure-native:network:NetworkSecurityGroup", {"securityRules": [{
		"direction": "Inbound", "access": "Allow", "sourceAddressPrefix": "*", "destinationPortRange": "*",
	}]}],
	["azure-native:network:NetworkSecurityGroup", {"securityRules": [{
		"direction": "Inbound", "access": "Allow", "sourceAddressPrefixes": ["Internet"], "destinationPortRanges": ["80", "22"],
	}]}],
	["azure-native:network:NetworkSecurityGroup", {"securityRules": [{
		"direction": "Inbound", "access": "Allow", "sourceAddressPrefix": "*",
	}]}],
	["gcp:compute/firewall:Firewall", {"sourceRanges": ["0.0.0.0/0"], "allows": [{"protocol": "tcp"}]}],
	["gcp:compute/firewall:Firewall", {"sourceRanges": ["0.0.0.0/0"], "allows": [{"protocol": "tcp", "ports": ["5432"]}]}],
]

closed_ways := [
	["aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"fromPort": 22, "toPort": 22, "cidrBlocks": ["10.0.0.0/8"]}]}],
	["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv4": "0.0.0.0/0", "fromPort": 443, "toPort": 443}],
	["azure-native:network:NetworkSecurityGroup", {"securityRules": [
		{"direction": "Inbound", "access": "Deny", "sourceAddressPrefix": "*", "destinationPortRange": "*"},
		{"direction": "Outbound", "access": "Allow", "sourceAddressPrefix": "*", "destinationPortRange": "*"},
		{"direction": "Inbound", "access": "Allow", "sourceAddressPrefix": "Internet", "destinationPortRange": "443"},
	]}],
	["gcp:compute/firewall:Firewall", {"sourceRanges": ["0.0.0.0/0"], "allows": [{"protocol": "tcp", "ports": ["443"]}]}],
	["gcp:compute/firewall:Firewall", {"direction": "EGRESS", "sourceRanges": ["0.0.0.0/0"], "allows": [{"protocol": "all"}]}],
]

test_open[index] if {
	some index, way in open_ways
	count(evidence.exposed) > 0 with input as with_resource(way[0], way[1])
}

test_closed[index] if {
	some index, way in closed_ways
	evidence.exposed == set() with input as with_resource(way[0], way[1])
}

with_resource(type, inputs) := json.patch(sound, [{
	"op": "add",
	"path": "/plan/resources/-",
	"value": {"type": type, "name": "it", "inputs": inputs},
}])

_nested(property, value) := json.patch({}, array.concat(
	[{"op": "add", "path": array.slice(property, 0, length), "value": {}} |
		count(property) > 1
		some length in numbers.range(1, count(property) - 1)
	],
	[{"op": "add", "path": property, "value": value}],
))

_good(need) := [each | some each in need.one_of][0]

_good(need) := numbers.range(1, need.at_least) if need.property == ["enabledCloudwatchLogsExports"]

_good(need) := need.at_least if need.property != ["enabledCloudwatchLogsExports"]
