//go:build tools

// Package tools pins the Pulumi command so that "go build" can produce it.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
