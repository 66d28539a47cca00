"""The one list of the functions of Rego: what the module does itself, what the host gives, and what is refused.

Every name that ``opa capabilities --current`` lists stands in exactly one of the groups; a test compares them.
"""

from typing import Final

from catalog.policies.engine.builtins import (
    documents,
    hashes,
    identifiers,
    networks,
    regexes,
    text,
    times,
    tokens,
    units,
    versions,
)
from catalog.policies.engine.builtins.calls import HostFunction, Table

_MODULES = (documents, hashes, identifiers, networks, regexes, text, times, tokens, units, versions)

HOST: Final[Table] = {name: function for module in _MODULES for name, function in module.FUNCTIONS.items()}
"""Functions of the host, by name."""

_NATIVE = """
    abs all and any array.concat array.flatten array.reverse array.slice base64.decode base64.encode base64.is_valid
    base64url.decode base64url.encode bits.and bits.negate bits.or bits.rsh bits.xor ceil concat contains count div
    endswith equal floor format_int glob.match graph.reachable gt gte indexof internal.member_2 internal.member_3
    internal.template_string intersection is_array is_boolean is_null is_number is_object is_set is_string json.filter
    json.is_valid json.marshal json.remove json.unmarshal lower lt lte max min minus mul neq net.cidr_contains
    net.cidr_intersects net.cidr_overlap numbers.range object.filter object.get object.keys object.remove object.union
    object.union_n or plus product re_match regex.find_all_string_submatch_n regex.is_valid regex.match rem replace
    round set_diff sort split startswith strings.replace_n strings.reverse substring sum to_number trim trim_left
    trim_prefix trim_right trim_space trim_suffix type_name union upper walk
"""
NATIVE: Final = frozenset(_NATIVE.split())
"""Functions that OPA compiles into the module, where fuel bounds them."""

COMPILED_AWAY: Final = frozenset(
    {"assign", "eq", "internal.print", "print", "rego.metadata.chain", "rego.metadata.rule"}
)
"""Names that a policy may write and that the compiler replaces or removes."""

_OLD = "it is deprecated; Rego v1 has other ways"
_NETWORK = "a policy reads its input and nothing else, so that a decision can be repeated"
_KEYS = "a policy holds no private keys and signs nothing"
_CERTIFICATES = "certificates are verified with the attestations that they belong to, before a policy sees those"
_GRAPHQL = "no input of a release is GraphQL"

REFUSED: Final = {
    "bits.lsh": "a shift makes a number as large as the policy wishes",
    "cast_array": _OLD,
    "cast_boolean": _OLD,
    "cast_null": _OLD,
    "cast_object": _OLD,
    "cast_set": _OLD,
    "cast_string": _OLD,
    "crypto.parse_private_keys": _KEYS,
    "crypto.x509.parse_and_verify_certificates": _CERTIFICATES,
    "crypto.x509.parse_and_verify_certificates_with_options": _CERTIFICATES,
    "crypto.x509.parse_certificate_request": _CERTIFICATES,
    "crypto.x509.parse_certificates": _CERTIFICATES,
    "crypto.x509.parse_keypair": _KEYS,
    "crypto.x509.parse_rsa_private_key": _KEYS,
    "graphql.is_valid": _GRAPHQL,
    "graphql.parse": _GRAPHQL,
    "graphql.parse_and_verify": _GRAPHQL,
    "graphql.parse_query": _GRAPHQL,
    "graphql.parse_schema": _GRAPHQL,
    "graphql.schema_is_valid": _GRAPHQL,
    "http.send": _NETWORK,
    "internal.test_case": "it belongs to tests",
    "io.jwt.encode_sign": _KEYS,
    "io.jwt.encode_sign_raw": _KEYS,
    "json.match_schema": "inputs have a schema of their own, which is checked before a policy sees them",
    "json.verify_schema": "inputs have a schema of their own, which is checked before a policy sees them",
    "net.lookup_ip_addr": _NETWORK,
    "opa.runtime": "it reads the environment of the process",
    "providers.aws.sign_req": _KEYS,
    "rego.parse_module": "a policy does not read other policies",
    "strings.render_template": "Go's templates are a language of their own; sprintf and concat do the same",
    "trace": "it speaks to the log of the process",
}
"""Functions that no policy may call, and why."""


def host_function(name: str) -> HostFunction | None:
    """Return the function of the host with that name."""
    return HOST.get(name)


def refusal(name: str) -> str | None:
    """Return why a policy may not call the function, or None where it may."""
    if name in HOST or name in NATIVE or name in COMPILED_AWAY:
        return None
    return REFUSED.get(name, "it is not among the functions of release policies")
