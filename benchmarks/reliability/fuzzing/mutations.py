"""Makes a file a little wrong: bytes, JSON trees, tables; archives and arrays are in `archives`.

Every function takes the content of a file and a `random.Random`, and returns another content.
Nothing here knows what the file is for.
"""

from __future__ import annotations

import base64
import copy
import json
import marshal
import math
import random
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final

CANARY: Final = "oddsig_canary"  # a module that leaves a mark when it is imported
NUMBERS: Final = (
    *(0, 1, -1, 2, 3, 7, -(2**31), 2**31, 2**32, 2**53 + 1, 2**63, -(2**63), 10**30, 10**400),
    *(0.5, -0.5, 1e-320, 1e-30, 1e30, 1e308, math.nan, math.inf, -math.inf),
)
TEXTS: Final = (
    *("", "a", "\x00", "\x1b[31m", "\ud800", "слой", "a/b", "..", "../../x", "/etc/passwd"),
    *("a" * 5000, "__lambda__", "float32", "float99", "mixed_bfloat16", "tanh", "erf", "relu"),
    *("numpy.load", "os>system", "system", "keras_oddsig>Tanh", "keras_oddsig>LayerStack"),
    *("Custom>Nothing", "keras_oddsig>OddSigmoid", CANARY, "lambda x: x", "\n", '"', ","),
)
# What an honest file may hold, only not there: it reaches further than what is hostile.
PLAUSIBLE: Final[dict[type, tuple[Any, ...]]] = {
    bool: (True, False),
    int: (0, 1, 2, 3, 4, 5, 8, 16, 100, -1, -2, 2.0, True, None, [1], [0, 1], [16]),
    float: (0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 7.5, 1e-30, 1e30, -1.0, 1, None, [0.5, 1.0]),
    str: (
        *("tanh", "erf", "softsign", "algebraic", "langevin", "relu", "linear", "normal"),
        *("uniform", "rademacher", "hartley", "haar", "float16", "bfloat16", "float64"),
        *("zeros", "ones", "glorot_uniform", "l2", "max_norm", "a", "dense", "keras_oddsig>Erf"),
    ),
    type(None): (0, 1, 2, 0.5, True, "tanh", "l2", [0], [-1], [0, 1]),
}
_MODULES: Final = (
    *("os", "posix", "builtins", "subprocess", "shutil", "pickle", CANARY, f"keras.{CANARY}"),
    *("keras.utils", "keras.layers", "keras.src.utils.python_utils", "keras_oddsig"),
    *("keras_oddsig.activations", "keras_oddsig.cli", "", "..", "keras..layers", "numpy"),
)
_NAMES: Final = (
    *("system", "Popen", "exec", "eval", "get_file", "func_load", "rmtree", "loads", "touch"),
    *("Tanh", "Lambda", "Dense", "TorchModuleWrapper", "Sequential", "Nothing", "main", "load"),
    *("OddSigmoid", "OddSigmoidInit", "DynamicErf", "LayerStack", "function", "__lambda__"),
)


def hostile(mark: str) -> list[Any]:
    """Configs that would leave a file at `mark` if anything in them were run."""
    code = base64.b64encode(marshal.dumps(_code_that_touches(mark))).decode()
    function = {"code": code, "defaults": None, "closure": None}
    as_lambda = {"class_name": "__lambda__", "config": {"value": [code, None, None]}}
    named = {"class_name": "__lambda__", "config": {"value": function}, "module": "builtins"}
    legacy = {"function": [code, None, None], "function_type": "lambda", "name": "l"}
    found = [
        as_lambda,
        named,
        {"class_name": "Lambda", "config": legacy},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": as_lambda}},
        {"module": "keras.layers", "class_name": "Lambda", "config": legacy},
    ]
    for module, name in (
        *(("os", "system"), ("posix", "system"), ("subprocess", "getoutput"), ("builtins", "exec")),
        *((CANARY, "boom"), (f"keras.{CANARY}", "boom"), ("keras.utils", "get_file")),
    ):
        found.append(
            {"module": module, "class_name": "function", "config": name, "registered_name": name}
        )
        found.append(
            {
                "module": module,
                "class_name": name,
                "config": {"command": f"touch {mark}", "origin": f"file://{mark}"},
                "registered_name": f"{module}>{name}",
            }
        )
    return found


def _code_that_touches(mark: str) -> CodeType:
    function: CodeType = compile(f"open({mark!r}, 'w').close()", "canary", "exec")
    return function


# ----------------------------------------------------------------------------------
# Bytes
# ----------------------------------------------------------------------------------


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flips, cuts, repeats, inserts."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.choice((0, 1, 127, 128, 255, 10, 34, 44))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + rng.choice((1, 2, 8, 64))]
            case 4:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 8, 64)))
            case 5:
                piece = data[at : at + rng.choice((1, 8, 64, 512))]
                data[at:at] = piece * rng.choice((1, 2, 9))
            case 6 if len(data) > 8:
                number = rng.choice((0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1))
                at %= len(data) - 8
                data[at : at + 8] = number.to_bytes(8, "little")
    return bytes(data)


# ----------------------------------------------------------------------------------
# JSON
# ----------------------------------------------------------------------------------


class Tree:
    """Changes a JSON tree, at one to a few of its nodes.

    Args:
        mark: The file that hostile configs would leave.
        others: Trees from which pieces are taken.
    """

    def __init__(self, mark: str, others: list[Any]) -> None:
        self._hostile = hostile(mark)
        self._others = others

    def text(self, content: bytes, rng: random.Random) -> bytes:
        """Of a file that holds one; as bytes where it is none."""
        if rng.random() < 0.05:
            return of_bytes(content, rng)
        try:
            return json.dumps(self.changed(json.loads(content), rng)).encode()
        except (ValueError, RecursionError):
            return of_bytes(content, rng)

    def changed(self, tree: Any, rng: random.Random) -> Any:
        holder = [copy.deepcopy(tree)]
        if rng.random() < 0.5:
            leaves = [(p, k) for p, k in _places(holder) if type(p[k]) in PLAUSIBLE]
            for parent, key in rng.sample(leaves, min(len(leaves), rng.choice((1, 1, 2)))):
                parent[key] = rng.choice(PLAUSIBLE[type(parent[key])])
            return holder[0]
        for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
            places = list(_places(holder))
            parent, key = rng.choice(places)
            self._change(parent, key, rng)
        return holder[0]

    def _change(self, parent: Any, key: Any, rng: random.Random) -> None:
        match rng.randrange(10):
            case 0 | 1:
                parent[key] = self._value(rng)
            case 2:
                parent[key] = copy.deepcopy(rng.choice(self._hostile))
            case 3 if isinstance(parent[key], dict):
                parent[key][rng.choice((*parent[key], *TEXTS))] = self._value(rng)
            case 3 | 4 if isinstance(parent, dict):
                del parent[key]
            case 5:
                _, piece = rng.choice(list(_nodes(rng.choice(self._others))))
                parent[key] = copy.deepcopy(piece)
            case 6:
                parent[key] = rng.choice(
                    ([parent[key]], [parent[key]] * 3, {"a": parent[key]}, _nest(parent[key], rng))
                )
            case 7 if isinstance(parent[key], dict) and "class_name" in parent[key]:
                _rename(parent[key], rng)
            case 8 if isinstance(parent[key], int | float):
                parent[key] = rng.choice(NUMBERS)
            case _:
                configs = [each for _, each in _nodes(parent) if "class_name" in _keys(each)]
                if configs:
                    _rename(rng.choice(configs), rng)
                else:
                    parent[key] = rng.choice(NUMBERS)

    def _value(self, rng: random.Random) -> Any:
        kinds = (NUMBERS, TEXTS, (None, True, False, [], {}, [[]], [0], [-1, -2], {"": 0}))
        value = rng.choice(rng.choice(kinds))
        return _nest(value, rng) if rng.random() < 0.03 else value


def _rename(config: dict[str, Any], rng: random.Random) -> None:
    key = rng.choice(("module", "class_name", "registered_name", "config"))
    choices: dict[str, tuple[Any, ...]] = {
        "module": (*_MODULES, None, 3),
        "class_name": (*_NAMES, None, 3, []),
        "registered_name": (*(f"keras_oddsig>{name}" for name in _NAMES), *_NAMES, None, {}),
        "config": (*_NAMES, {}, None, []),
    }
    config[key] = rng.choice(choices[key])


def _nest(value: Any, rng: random.Random) -> Any:
    for _ in range(rng.choice((5, 50, 400))):
        value = [value] if rng.random() < 0.5 else {"config": value}
    return value


def _keys(node: Any) -> Any:
    return node if isinstance(node, dict) else ()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every node but the root, as what holds it and its key there."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict | list):
            continue
        for key in node if isinstance(node, dict) else range(len(node)):
            yield node, key
            waiting.append(node[key])


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every node, with its key."""
    yield None, tree
    for parent, key in _places(tree):
        yield key, parent[key]


# ----------------------------------------------------------------------------------
# Tables
# ----------------------------------------------------------------------------------


def of_table(content: bytes, rng: random.Random) -> bytes:
    """Changes a CSV file: its lines, its header, its ends of lines."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(12):
        case 0:
            return content[: rng.randrange(len(content) + 1)]
        case 1:
            return content.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\x00\n")))
        case 2:
            return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b" ")) + content
        case 3:
            return content.decode(errors="replace").encode(
                rng.choice(("utf-16", "utf-32", "utf-8"))
            )
        case 4:
            lines[at] = rng.choice((b"", b'"', b",,,,", b"a" * 9000, b"\x00", b"nan,inf,,,"))
        case 5:
            lines.insert(at, rng.choice(lines))
        case 6:
            space = rng.choice(("\u2003", "\x1c", " ", "\t", "\x00", "\u0085", "\xa0")).encode()
            lines[0] += space
        case 7:
            lines[at] = of_bytes(lines[at], rng)
        case 8:
            lines = lines[:1]
        case 9:
            lines.append(lines[-1][: rng.randrange(len(lines[-1]) + 1)])
        case 10:
            lines[at] = b'1,16,"a\n' + lines[at]
        case _:
            return of_bytes(content, rng)
    return b"\n".join(lines)
