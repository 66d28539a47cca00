"""Functions of the host, one table for each family; the benchmark of compliance compares them with OPA's own cases."""

from typing import Any

import pytest

from catalog.policies.engine import Moment
from catalog.policies.engine.builtins import UNDEFINED, BuiltinError, Recorded, host_function
from catalog.policies.engine.values import dump, parse

DAY = 24 * 3600 * 10**9
SPRING = 1774753384000000000  # 2026-03-29T03:03:04Z, an hour in which Berlin changes its clocks
TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhIiwiZXhwIjoxMDB9.hzsWarqSiiyjGAG1EjWs-vgzkIfKg7K1PbXK7iCIOcc"


def call(name: str, *arguments: str) -> str:
    """Call a function with arguments as Rego writes them; the result is written that way as well, an error as ``!``."""
    function = host_function(name)
    assert function is not None, name
    try:
        result = function.run(Recorded(Moment(SPRING, "seed")), [parse(each) for each in arguments])
    except BuiltinError:
        return "!"
    return "-" if result is UNDEFINED else dump(result)


SPRINTF = [
    ('"%v %v %v %v"', '["a", 1, true, null]', '"a 1 true null"'),
    ('"%s|%q|%x|%X"', '["hi", "say \\"x\\"", "hi", "hi"]', '"hi|\\"say \\\\\\"x\\\\\\"\\"|6869|6869"'),
    ('"%d|%5d|%-5d|%05d|%+d|%x|%#x|%o|%b|%c|%U"', "[7, 7, 7, -7, 7, 255, 255, 8, 5, 8364, 8364]", None),
    ('"%f|%.2f|%8.3f|%e|%g|%v"', "[1.5, 1.005, 1.5, 1234.5, 1e21, 1e6]", None),
    ('"%T %T %T %T"', '[1, 1.5, "x", 99999999999999999999]', '"int64 float64 string *big.Int"'),
    ('"%v"', '[{1, "a", [2, {"k": set()}]}]', '"{1, \\"a\\", [2, {\\"k\\": set()}]}"'),
    ('"%d %d"', "[1]", '"1 %!d(MISSING)"'),
    ('"%d"', "[1, 2]", '"1%!(EXTRA int64=2)"'),
    ('"%d"', '["x"]', '"%!d(string=x)"'),
    ('"%z %"', "[1]", '"%!z(int64=1) %!(NOVERB)"'),
    ('"%[2]v %[1]v %*d 100%%"', "[1, 2, 3]", '"2 1  3 100%"'),
    ('"%s"', "[123456789123456789123]", '"123456789123456789123"'),
    ('"%6.2v|%t"', '["abc", false]', '"    ab|%!t(string=false)"'),
    ('"%9999999d"', "[1]", None),
]
SPRINTF_TEXTS = {
    2: '"7|    7|7    |-0007|+7|ff|0xff|10|101|\u20ac|U+20AC"',
    3: '"1.500000|1.00|   1.500|1.234500e+03|1e+21|1e+06"',
    13: '"%!(BADWIDTH)1"',
}


@pytest.mark.parametrize("index", range(len(SPRINTF)))
def test_sprintf(index: int) -> None:
    template, values, expected = SPRINTF[index]
    assert call("sprintf", template, values) == (expected or SPRINTF_TEXTS[index])


CASES: list[tuple[Any, ...]] = [
    ("semver.compare", '"1.10.0"', '"1.9.0"', "1"),
    ("semver.compare", '"1.0.0-rc.1"', '"1.0.0"', "-1"),
    ("semver.compare", '"1.0.0-rc.2"', '"1.0.0-rc.10"', "-1"),
    ("semver.compare", '"1.0.0-1"', '"1.0.0-a"', "-1"),
    ("semver.compare", '"v1.0.0+x"', '"1.0.0+y"', "0"),
    ("semver.compare", '"1.0"', '"1.0.0"', "!"),
    ("semver.is_valid", '"1.02.3"', "false"),
    ("semver.is_valid", '"1.2.3-01"', "false"),
    ("semver.is_valid", '"1.2.3-0a.1"', "true"),
    ("semver.is_valid", "7", "false"),
    ("time.now_ns", str(SPRING)),
    ("time.parse_rfc3339_ns", '"2026-03-29T05:03:04+02:00"', str(SPRING)),
    ("time.parse_rfc3339_ns", '"2026-03-29T03:03:04.000000005Z"', str(SPRING + 5)),
    ("time.parse_rfc3339_ns", '"2026-02-30T00:00:00Z"', "!"),
    ("time.parse_rfc3339_ns", '"2500-01-01T00:00:00Z"', "!"),
    ("time.parse_ns", '"RFC1123Z"', '"Sun, 29 Mar 2026 05:03:04 +0200"', str(SPRING)),
    ("time.parse_ns", '"2006-01-02 3:04PM"', '"1970-01-02 12:00AM"', str(DAY)),
    ("time.parse_ns", '"Jan _2 2006"', '"Jan  3 1970"', str(2 * DAY)),
    ("time.parse_ns", '"2006-002"', '"1970-060"', str(59 * DAY)),
    ("time.parse_ns", '"2006"', '"1970 "', "!"),
    ("time.format", str(SPRING + 50), '"2026-03-29T03:03:04.00000005Z"'),
    ("time.format", f'[{SPRING}, "Europe/Berlin"]', '"2026-03-29T05:03:04+02:00"'),
    (
        "time.format",
        f'[{SPRING}, "America/New_York", "Monday, 02-Jan-06 15:04 MST pm"]',
        '"Saturday, 28-Mar-26 23:03 EDT pm"',
    ),
    ("time.format", f'[{SPRING}, "No/Where"]', "!"),
    ("time.date", f'[{SPRING}, "America/New_York"]', "[2026,3,28]"),
    ("time.clock", str(-1), "[23,59,59]"),
    ("time.weekday", str(SPRING), '"Sunday"'),
    ("time.add_date", str(SPRING), "0", "-1", "0", str(SPRING - 28 * DAY)),
    ("time.add_date", str(SPRING), "1", "12", "1", str(SPRING + 732 * DAY)),
    ("time.add_date", str(SPRING), "5000", "0", "0", "!"),
    ("time.diff", str(SPRING), str(SPRING - 31 * DAY - 61 * 10**9), "[0,1,3,0,1,1]"),
    ("time.parse_duration_ns", '"1h30m"', str(5400 * 10**9)),
    ("time.parse_duration_ns", '"-1.5d"', str(-36 * 3600 * 10**9)),
    ("time.parse_duration_ns", '"5"', "!"),
    ("units.parse", '"1.5Gi"', str(3 * 2**29)),
    ("units.parse", '"200m"', "0.2000000000"),
    ("units.parse", '"1e3"', "1000"),
    ("units.parse", '"10 M"', "!"),
    ("units.parse", '"1e9999"', "!"),
    ("units.parse_bytes", '"10KB"', "10000"),
    ("units.parse_bytes", '"1.5MiB"', str(3 * 2**19)),
    ("units.parse_bytes", '"10q"', "!"),
    ("crypto.md5", '"a"', '"0cc175b9c0f1b6a831c399e269772661"'),
    ("crypto.sha256", '""', '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"'),
    ("crypto.hmac.sha1", '"m"', '"k"', '"772b71c8a2997e768be01d9711e4a4f34a24ef33"'),
    ("crypto.hmac.equal", '"a"', '"a"', "true"),
    ("hex.encode", '"\u20ac"', '"e282ac"'),
    ("hex.decode", '"e282ac"', '"\u20ac"'),
    ("hex.decode", '"abc"', "!"),
    ("base64url.encode_no_pad", '"??>"', '"Pz8-"'),
    ("regex.find_n", '"a*"', '"baac"', "-1", '["","aa",""]'),
    ("regex.find_n", '"[a-z]+"', '"ab cd ef"', "2", '["ab","cd"]'),
    ("regex.replace", '"a-b"', '"(\\\\w)-(\\\\w)"', '"$2 ${1}x $$ $x"', '"b ax $ "'),
    ("regex.split", '",+"', '"a,,b,c"', '["a","b","c"]'),
    ("regex.split", '"("', '"a"', "!"),
    ("regex.split", '"(?<=a)b"', '"ab"', "!"),
    ("regex.template_match", '"urn:{.*}:x"', '"urn:a:x"', '"{"', '"}"', "true"),
    ("regex.template_match", '"urn:{"', '"urn"', '"{"', '"}"', "!"),
    ("regex.globs_match", '"[a-c]+x"', '"b.*"', "true"),
    ("regex.globs_match", '"[a-c]+"', '"[d-f]*z"', "false"),
    ("glob.quote_meta", '"*.x"', '"\\\\*.x"'),
    ("strings.any_prefix_match", '"abc"', '["x", "ab"]', "true"),
    ("strings.any_suffix_match", '{"abc", "d"}', '"x"', "false"),
    ("strings.count", '"aaaa"', '"aa"', "2"),
    ("strings.split_n", '"a.b.c"', '"."', "-2", '["b","c"]'),
    ("indexof_n", '"sad"', '"d"', "[2]"),
    ("json.patch", '{"a": [1]}', '[{"op": "add", "path": "/a/-", "value": 2}]', '{"a":[1,2]}'),
    ("json.patch", '{"a": 1}', '[{"op": "move", "from": "a", "path": "b"}]', '{"b":1}'),
    ("json.patch", '{"a": {1, 2}}', '[{"op": "remove", "path": ["a", 1]}]', '{"a":{2}}'),
    ("json.patch", '{"a": 1}', '[{"op": "test", "path": "a", "value": 2}]', "!"),
    ("json.patch", "[1]", '[{"op": "add", "path": "/01", "value": 2}]', "!"),
    ("object.subset", '{"a": {"b": 1, "c": 2}}', '{"a": {"b": 1}}', "true"),
    ("object.subset", "[1, 2, 1, 2, 3]", "[1, 2, 3]", "true"),
    ("object.subset", "{1, 2}", "{3}", "false"),
    ("object.subset", "1", "1", "!"),
    (
        "json.marshal_with_options",
        '{"b": 1, "a": "<"}',
        '{"indent": "  "}',
        '"{\\n  \\"a\\": \\"\\\\u003c\\",\\n  \\"b\\": 1\\n}"',
    ),
    ("json.marshal_with_options", "[{1}]", "{}", '"[[1]]"'),
    ("graph.reachable_paths", '{"a": {"b"}, "b": {"a", "c"}, "c": []}', '["a"]', '{["a","b"],["a","b","c"]}'),
    ("net.cidr_is_valid", '"10.0.0.0/33"', "false"),
    ("net.cidr_expand", '"10.0.0.4/31"', '{"10.0.0.4","10.0.0.5"}'),
    ("net.cidr_expand", '"::/8"', "!"),
    ("net.cidr_merge", '["10.0.0.0/9", "10.128.0.0/9", "::1/128"]', '{"10.0.0.0/8","::1/128"}'),
    ("net.cidr_contains_matches", '"10.0.0.0/8"', '["10.1.1.1", "11.0.0.0/9"]', '{["10.0.0.0/8",0]}'),
    ("urlquery.encode", '"a b&\u20ac"', '"a+b%26%E2%82%AC"'),
    ("urlquery.decode", '"a%2"', "!"),
    ("urlquery.encode_object", '{"b": ["2", "1"], "a": "x"}', '"a=x&b=2&b=1"'),
    ("urlquery.decode_object", '"a=1&b&a=2"', '{"a":["1","2"],"b":[""]}'),
    (
        "uri.parse",
        '"https://u@h.example:8/p?q#f"',
        '{"scheme":"https","hostname":"h.example","port":"8","path":"/p","raw_path":"/p","raw_query":"q","fragment":"f"}',
    ),
    ("uri.is_valid", '"http://a b"', "false"),
    ("uuid.parse", '"00000000-0000-4000-8000-000000000000"', '{"version":4,"variant":"RFC4122"}'),
    ("uuid.parse", '"no"', "-"),
    ("numbers.range_step", "5", "1", "2", "[5,3,1]"),
    ("numbers.range_step", "1", "50000000", "1", "!"),
    ("rand.intn", '"x"', "0", "0"),
    (
        "yaml.unmarshal",
        '"a: 0x10\\nb: yes\\nc: [2001-01-01, ~, 1.5]\\n"',
        '{"a":16,"b":"yes","c":["2001-01-01",null,1.5]}',
    ),
    ("yaml.unmarshal", '"x: &a {k: 1}\\ny: {<<: *a, z: 2}\\n"', '{"x":{"k":1},"y":{"k":1,"z":2}}'),
    ("yaml.unmarshal", '"a: ["', "!"),
    ("yaml.marshal", '{"b": [1, {"x": "true"}], "a": null}', '"a: null\\nb:\\n  - 1\\n  - x: \\"true\\"\\n"'),
    ("io.jwt.verify_hs256", f'"{TOKEN}"', '"secret"', "true"),
    ("io.jwt.verify_hs256", f'"{TOKEN}"', '"other"', "false"),
    ("io.jwt.verify_rs256", f'"{TOKEN}"', '"no key"', "!"),
    ("io.jwt.decode", '"a.b"', "!"),
    ("io.jwt.decode", '"eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0.e30.x"', "!"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case))[:70])
def test_functions(case: tuple[Any, ...]) -> None:
    name, *arguments, expected = case
    assert call(name, *arguments) == expected
