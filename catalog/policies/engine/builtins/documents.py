"""Functions on whole documents: ``json.patch``, ``object.subset``, ``json.marshal_with_options``, graphs, YAML."""

import copy
from typing import Any

from catalog.policies.engine.builtins.calls import BuiltinError, Table, array, into, mapping, type_name
from catalog.policies.engine.builtins.calls import text as string
from catalog.policies.engine.builtins.yaml_text import read_yaml, write_yaml
from catalog.policies.engine.values import RegoSet, as_json_text, as_key, equal, order

FUNCTIONS: Table = {}

_MOST_NODES = 200_000
_MOST_PATHS = 20_000


@into(FUNCTIONS, "json.patch", weight=10)
def patch(document: Any, operations: Any) -> Any:
    """Apply the operations of a JSON patch, in order and all or none; paths may go through sets by member."""
    root = _Root(document)
    for operation in array(operations, 2):
        if not isinstance(operation, dict):
            raise BuiltinError("must be an array of JSON-Patch objects, but at least one element is not an object")
        root.apply(operation)
    return root.value


class _Root:
    """The document while it is patched; arguments belong to the call, so they are changed in place."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._copied = 0

    def apply(self, operation: dict[Any, Any]) -> None:
        for name in ("path", "op"):
            if name not in operation:
                raise BuiltinError(f"missing required attribute '{name}'")
        path = _path(operation["path"])
        name = string(operation["op"])
        if name == "add":
            self._insert(path, _attribute(operation, "value"))
        elif name == "remove":
            self._remove(path)
        elif name == "replace":
            value = _attribute(operation, "value")
            self._remove(path)
            self._insert(path, value)
        elif name in ("move", "copy"):
            source = _path(_attribute(operation, "from"))
            chunk = self._at(source)
            if name == "move":
                self._remove(source)
            self._insert(path, self._copy(chunk) if name == "copy" else chunk)
        elif name == "test":
            if not equal(self._at(path), _attribute(operation, "value")):
                raise BuiltinError("the value is not what the test expects")
        else:
            raise BuiltinError(f"unrecognized op: '{name}'")

    def _copy(self, value: Any) -> Any:
        self._copied += _nodes(value)
        if self._copied > _MOST_NODES:
            raise BuiltinError("the patched document is too large")
        return copy.deepcopy(value)

    def _at(self, path: list[Any]) -> Any:
        value = self.value
        for key in path:
            value = _child(value, key)
        return value

    def _insert(self, path: list[Any], value: Any) -> None:
        self.value = _inserted(self.value, path, value) if path else value

    def _remove(self, path: list[Any]) -> None:
        self.value = _removed(self.value, path) if path else None


def _attribute(operation: dict[Any, Any], name: str) -> Any:
    if name not in operation:
        raise BuiltinError(f"missing required attribute '{name}'")
    return operation[name]


def _path(value: Any) -> list[Any]:
    if isinstance(value, str):
        if not value:
            return []
        return [part.replace("~1", "/").replace("~0", "~") for part in value.lstrip("/").split("/")]
    if isinstance(value, list):
        return value
    raise BuiltinError(
        f"must be one of {{set, array}} containing string paths or array of path segments but got {type_name(value)}"
    )


def _child(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        if as_key(key) in value:
            return value[as_key(key)]
    elif isinstance(value, RegoSet):
        if key in value:
            # A member that is changed becomes another member, so the key itself stays as it was.
            return copy.deepcopy(key)
    elif isinstance(value, list):
        index = _index(value, key)
        if 0 <= index < len(value):
            return value[index]
    raise BuiltinError("the path does not exist")


def _index(value: list[Any], key: Any) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    if key == "-":
        return len(value)
    if not isinstance(key, str) or not key.isascii() or not key.isdigit() or len(key) > 9:
        raise BuiltinError("invalid type for indexing")
    if key != "0" and key.startswith("0"):
        raise BuiltinError("leading zeros are not allowed in JSON paths")
    return int(key)


def _inserted(value: Any, path: list[Any], new: Any) -> Any:
    key, rest = path[0], path[1:]
    if rest:
        return _with_child(value, key, _inserted(_child(value, key), rest, new))
    if isinstance(value, dict):
        value[as_key(key)] = new
    elif isinstance(value, list):
        index = _index(value, key)
        if not 0 <= index <= len(value):
            raise BuiltinError("index for array insertion out of bounds")
        value.insert(index, new)
    elif isinstance(value, RegoSet):
        if not equal(key, new):
            raise BuiltinError("set key does not equal value to be inserted")
        return RegoSet([*value.items, new])
    else:
        raise BuiltinError("expected composite type")
    return value


def _removed(value: Any, path: list[Any]) -> Any:
    key, rest = path[0], path[1:]
    child = _child(value, key)
    if rest:
        return _with_child(value, key, _removed(child, rest))
    if isinstance(value, dict):
        del value[as_key(key)]
    elif isinstance(value, list):
        del value[_index(value, key)]
    else:
        return RegoSet(member for member in value.items if not equal(member, key))
    return value


def _with_child(value: Any, key: Any, child: Any) -> Any:
    if isinstance(value, dict):
        value[as_key(key)] = child
    elif isinstance(value, list):
        value[_index(value, key)] = child
    else:
        return RegoSet([*(member for member in value.items if not equal(member, key)), child])
    return value


def _nodes(value: Any) -> int:
    waiting, count = [value], 0
    while waiting:
        item = waiting.pop()
        count += 1
        if count > _MOST_NODES:
            break
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, RegoSet):
            waiting.extend(item.items)
    return count


@into(FUNCTIONS, "object.subset", weight=4)
def subset(whole: Any, part: Any) -> bool:
    """Tell whether objects, sets or arrays hold the other, nested ones included."""
    if isinstance(whole, list) and isinstance(part, RegoSet):
        keys = {order(member) for member in whole}
        return bool(whole) and part.keys <= keys
    if not any(isinstance(whole, kind) and isinstance(part, kind) for kind in (dict, RegoSet, list)):
        raise BuiltinError("both arguments object.subset must be of the same type or array and set")
    return _holds(whole, part)


def _holds(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and _holds(whole[key], item) for key, item in part.items())
    if isinstance(whole, RegoSet) and isinstance(part, RegoSet):
        return part.keys <= whole.keys
    if isinstance(whole, list) and isinstance(part, list):
        return _holds_array([order(each) for each in whole], [order(each) for each in part])
    return equal(whole, part)


def _holds_array(whole: list[Any], part: list[Any]) -> bool:
    """Find a run of items by Knuth, Morris and Pratt: linear, whatever the items are."""
    if not part:
        return True
    borders = [0]
    for item in part[1:]:
        length = borders[-1]
        while length and part[length] != item:
            length = borders[length - 1]
        borders.append(length + 1 if part[length] == item else 0)
    matched = 0
    for item in whole:
        while matched and part[matched] != item:
            matched = borders[matched - 1]
        matched += part[matched] == item
        if matched == len(part):
            return True
    return False


@into(FUNCTIONS, "json.marshal_with_options", weight=4)
def marshal_with_options(value: Any, options: Any) -> str:
    """Return JSON text, on lines where ``pretty``, ``indent`` or ``prefix`` asks for them."""
    settings = mapping(options, 2)
    unknown = [key for key in settings if key not in ("pretty", "indent", "prefix")]
    if unknown:
        raise BuiltinError(f"object contained unknown key {unknown[0]}")
    pretty = settings.get("pretty", "indent" in settings or "prefix" in settings)
    if not isinstance(pretty, bool):
        raise BuiltinError("key pretty failed cast to bool")
    if not pretty:
        return as_json_text(value)
    indent, prefix = string(settings.get("indent", "\t"), 2), string(settings.get("prefix", ""), 2)
    if len(indent) + len(prefix) > 100:
        raise BuiltinError("indent and prefix are too long")
    return prefix + as_json_text(value, indent=indent, prefix=prefix, lines=True)


@into(FUNCTIONS, "graph.reachable_paths", weight=4)
def reachable_paths(graph: Any, initial: Any) -> RegoSet:
    """Return every path from the initial nodes that cannot be made longer."""
    edges = mapping(graph)
    if not isinstance(initial, list | RegoSet):
        raise BuiltinError(f"operand 2 must be one of {{array, set}} but got {type_name(initial)}")
    found: list[list[Any]] = []
    for node in initial:
        if as_key(node) not in edges:
            continue
        neighbours = _members(edges[as_key(node)])
        if not neighbours:
            found.append([node])
        for neighbour in neighbours:
            _follow(edges, neighbour, [node], found)
    return RegoSet(found)


def _follow(edges: dict[Any, Any], start: Any, path: list[Any], found: list[list[Any]]) -> None:
    waiting = [(start, path)]
    while waiting:
        node, walked = waiting.pop()
        if len(found) + len(waiting) > _MOST_PATHS or len(walked) > 1000:
            raise BuiltinError("there are too many paths")
        if as_key(node) not in edges:
            found.append(walked)
            continue
        longer = [*walked, node]
        neighbours = _members(edges[as_key(node)])
        if not neighbours:
            found.append(longer)
        passed = {order(each) for each in longer}
        for neighbour in neighbours:
            if order(neighbour) in passed:
                found.append(longer)
            else:
                waiting.append((neighbour, longer))


def _members(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | RegoSet) else []


@into(FUNCTIONS, "yaml.is_valid", weight=50)
def yaml_is_valid(value: Any) -> bool:
    """Tell whether the value is YAML text."""
    if not isinstance(value, str):
        return False
    try:
        read_yaml(value)
    except BuiltinError:
        return False
    return True


@into(FUNCTIONS, "yaml.unmarshal", weight=50)
def yaml_unmarshal(value: Any) -> Any:
    """Return what the first document of a YAML text says."""
    return read_yaml(string(value))


@into(FUNCTIONS, "yaml.marshal", weight=20)
def yaml_marshal(value: Any) -> str:
    """Return the value as YAML, keys in order."""
    return write_yaml(value)
