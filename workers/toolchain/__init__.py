"""Programs written in Go that Slipway uses: found on PATH or in our own copy, else built from the Go module proxy."""

from workers.toolchain.go_tool import GoTool, ToolMissingError, build, ensure, find, put

__all__ = [
    "ACTIONLINT",
    "COSIGN",
    "OPA",
    "ORAS",
    "SYFT",
    "GoTool",
    "ToolMissingError",
    "build",
    "ensure",
    "find",
    "put",
]

OPA = GoTool(
    "opa",
    "v1.22.2",
    "github.com/open-policy-agent/opa",
    purpose="policy bundles cannot be compiled and published",
    install="https://www.openpolicyagent.org/docs#running-opa",
    stamp="github.com/open-policy-agent/opa/v1/version.Version",
    cgo=False,
)
ORAS = GoTool(
    "oras",
    "v1.3.6",
    "oras.land/oras/cmd/oras",
    purpose="the OCI door cannot be tried with its real client",
    install="https://oras.land/docs/installation",
)
COSIGN = GoTool(
    "cosign",
    "v3.1.3",
    "github.com/sigstore/cosign/v3/cmd/cosign",
    purpose="signatures cannot be compared with cosign's",
    install="https://docs.sigstore.dev/cosign/system_config/installation",
    cgo=False,
)
ACTIONLINT = GoTool(
    "actionlint",
    "v1.7.12",
    "github.com/rhysd/actionlint/cmd/actionlint",
    purpose="the curated workflows cannot be linted",
    install="https://github.com/rhysd/actionlint",
)
SYFT = GoTool(
    "syft",
    "v1.57.0",
    "github.com/anchore/syft/cmd/syft",
    purpose="bills of materials of images and source trees cannot be made",
    install="https://github.com/anchore/syft",
    cgo=False,
)
