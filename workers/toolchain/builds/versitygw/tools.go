//go:build tools

// Package tools pins the command so that "go build" can produce it.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
