"""Programs that Slipway uses: found on PATH or in our own copy, else built from Go modules or installed from npm."""

from dataclasses import replace

from workers.toolchain.go_tool import GoTool, ToolMissingError, build, ensure, find, put
from workers.toolchain.npm_tool import NodeProgram, NpmTool
from workers.toolchain.npm_tool import ensure as ensure_npm
from workers.toolchain.npm_tool import find as find_npm

__all__ = [
    "ACTIONLINT",
    "CDXGEN",
    "COSIGN",
    "KUBE_APISERVER",
    "KUBE_CONTROLLER_MANAGER",
    "KWOK",
    "OPA",
    "ORAS",
    "REGISTRY",
    "SYFT",
    "VERSITYGW",
    "GoTool",
    "NodeProgram",
    "NpmTool",
    "ToolMissingError",
    "build",
    "ensure",
    "ensure_npm",
    "find",
    "find_npm",
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
REGISTRY = GoTool(
    "registry",
    "v0.22.1",
    "github.com/google/go-containerregistry/cmd/registry",
    purpose="registries elsewhere cannot be tried with a real one",
    install="https://github.com/google/go-containerregistry",
    cgo=False,
)
KUBE_APISERVER = GoTool(
    "kube-apiserver",
    "v1.37.2",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    purpose="the target kubernetes cannot be tried with a real cluster",
    install="https://kubernetes.io/releases/download",
    stamp="k8s.io/component-base/version.gitVersion",
    cgo=False,
    module="kubernetes",
)
KUBE_CONTROLLER_MANAGER = replace(
    KUBE_APISERVER, name="kube-controller-manager", package="k8s.io/kubernetes/cmd/kube-controller-manager"
)
KWOK = GoTool(
    "kwok",
    "v0.8.0",
    "sigs.k8s.io/kwok/cmd/kwok",
    purpose="the target kubernetes cannot be tried with nodes",
    install="https://kwok.sigs.k8s.io/docs/user/installation",
    cgo=False,
)
VERSITYGW = GoTool(
    "versitygw",
    "v1.8.0",
    "github.com/versity/versitygw/cmd/versitygw",
    purpose="object storage in containers cannot be tried with the server that it is made of",
    install="https://github.com/versity/versitygw/releases",
    stamp="main.Version",
    cgo=False,
)
CDXGEN = NpmTool(
    "cdxgen",
    "12.8.4",
    "@cyclonedx/cdxgen/bin/cdxgen.js",
    purpose="bills of materials of npm packages and source trees are made by other generators, or not at all",
    install="https://github.com/CycloneDX/cdxgen",
)
