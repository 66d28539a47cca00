"""How an asset is used with the clients that people have: commands and configurations to copy."""

from dataclasses import dataclass

from packaging.utils import canonicalize_name

from catalog.assets.models import AssetVersionRead


@dataclass(frozen=True)
class Use:
    """One way: what it is called, what to copy, and what that is (a command, a configuration)."""

    title: str
    text: str
    what: str = "command"


def index_url(base_url: str, tenant: str) -> str:
    """Return the address of a tenant's index, with a place for the token as its clients read it from a shell."""
    scheme, _, rest = base_url.partition("://")
    return f"{scheme}://__token__:$SLIPWAY_TOKEN@{rest}/t/{tenant}/simple/"


def upload_url(base_url: str, tenant: str) -> str:
    """Return the address of a tenant's upload door."""
    return f"{base_url}/t/{tenant}/legacy/"


def uses(version: AssetVersionRead, base_url: str, tenant: str, *, is_latest: bool) -> list[Use]:
    """Return the ways in which a version can be used by ``tenant``, the most usual first."""
    found = []
    if version.kind == "component-package":
        found = _component_uses(version, index_url(base_url, tenant))
    elif version.kind == "policy-bundle":
        wanted = "" if is_latest else f"/{version.version}"
        found = [
            Use("OPA", opa_configuration(base_url, tenant, version.namespace, version.name, wanted), "configuration")
        ]
    return [*found, Use("Slipway", f"slipway show {version.namespace}/{version.name}@{version.version}")]


def _component_uses(version: AssetVersionRead, index: str) -> list[Use]:
    wheels = [str(each["path"]) for each in version.files if str(each["path"]).startswith("content/dist/")]
    if not wheels:
        return []
    module = wheels[0].rpartition("/")[2].partition("-")[0]
    wanted = f"{canonicalize_name(module)}=={version.version}"
    return [
        Use("pip", f'pip install --index-url "{index}" "{wanted}"'),
        Use("uv", f'uv pip install --index-url "{index}" "{wanted}"'),
        Use(
            "Pulumi, other languages",
            f'uv pip install --target components --no-deps --index-url "{index}" "{wanted}"\n'
            f"pulumi package add ./components/{module}",
        ),
    ]


def opa_configuration(base_url: str, tenant: str, namespace: str, name: str, wanted: str = "") -> str:
    """Return the configuration with which OPA polls a policy bundle; ``wanted`` is "" or ``/`` and a version."""
    return (
        f"services:\n  slipway:\n    url: {base_url}/t/{tenant}\n    credentials:\n      bearer:\n"
        "        token: ${SLIPWAY_TOKEN}\n"
        f"bundles:\n  {name}:\n    service: slipway\n    resource: bundles/{namespace}/{name}{wanted}\n"
        "    polling:\n      long_polling_timeout_seconds: 30"
    )
