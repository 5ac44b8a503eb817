"""The house: no room is a hall, and nobody imports from a floor above."""

import ast
import re
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "keras_oddsig"
# From the ground up. A module imports from floors below its own, or from its own room.
FLOORS = [
    ["_arguments", "_float32"],
    ["solver", "plotting", "_tracing"],
    ["_functions", "_backend", "_keras"],
    ["_foreign"],
    ["_odd_sigmoid"],
    ["_lookup"],
    ["activations"],
    ["_axes", "_scales", "_seeds"],
    ["_draws"],
    ["_kernel_initializer"],
    ["initializers"],
    ["layers"],
    ["signal", "_batch_count"],
    ["tailoring", "_records"],
    ["callbacks", "diagnostics"],
    ["cli", "_registration"],
    ["__init__", "__main__"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path):
    """Every module of the package that a file imports, in functions and type checks too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        assert not getattr(node, "level", 0), f"{path} imports relatively"
        found |= {tuple(name.split(".")) for name in names if name.startswith("keras_oddsig")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_file_is_over_450_lines(path):
    assert len(path.read_text().splitlines()) <= 450


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_belongs_there(path):
    assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 40


def test_every_room_has_a_floor():
    assert {room_of(path) for path in MODULES} == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_imports_upwards(path):
    here = room_of(path)
    for parts in imports_of(path):
        room = parts[1] if len(parts) > 1 and parts[1] in FLOOR else None
        if room is not None and room != here:
            assert FLOOR[room] < FLOOR[here], f"{here} imports {'.'.join(parts)}"


def test_rooms_inside_a_package_form_no_circle():
    for package in ("layers", "signal", "solver", "tailoring"):
        files = {path.stem: path for path in (PACKAGE / package).glob("*.py")}
        inner = {
            stem: {p[2] for p in imports_of(path) if p[1:2] == (package,) and len(p) > 2}
            & files.keys()
            for stem, path in files.items()
            if stem != "__init__"
        }
        while inner:
            ground = [stem for stem, needs in inner.items() if not needs & inner.keys()]
            assert ground, f"a circle among {sorted(inner)} of {package}"
            for stem in ground:
                del inner[stem]


def imported_at_once(path):
    """What importing a file imports, other than Python's own modules and the package's."""
    found, waiting = set(), list(ast.parse(path.read_text()).body)
    for node in waiting:
        match node:
            case ast.Import(names=names):
                found |= {each.name for each in names}
            case ast.ImportFrom(module=str() as module):
                found.add(module)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.FunctionDef():
                pass
            case _:
                waiting += ast.iter_child_nodes(node)
    own = sys.stdlib_module_names | {"keras_oddsig"}
    return {name for name in found if name.partition(".")[0] not in own}


def test_importing_the_package_imports_nothing_that_is_slow_or_optional():
    # Of SciPy no part: it imports each when it is first used.
    quick = re.compile(r"keras|numpy(\.\w+)*|scipy")
    for path in MODULES:
        slow = {name for name in imported_at_once(path) if not quick.fullmatch(name)}
        assert not slow, path


# ----------------------------------------------------------------------------------
# What Keras and the backends keep to themselves
# ----------------------------------------------------------------------------------

PRIVATE = re.compile(r"keras\.src|tensorflow\.python|jax\._src|torch\._")
# Of named tuples; and the ends of names that are put together.
NONE_OF_THEIRS = {"_make", "_constraint", "_derivative"}


def private_names(paths):
    """Private modules that files import, and private attributes that none of them defines."""
    modules, used, defined = set(), set(), set()
    for path in paths:
        defined.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.ImportFrom(module=str() as module) if PRIVATE.match(module):
                    modules.add(module)
                case ast.Import(names=names):
                    modules |= {each.name for each in names if PRIVATE.match(each.name)}
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    defined.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    defined.add(name)
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    defined.add(name)
                case ast.Attribute(attr=name) | ast.Constant(value=str() as name):
                    used.add(name)
    return modules, {name for name in used - defined if re.fullmatch(r"_[a-zA-Z]\w*", name)}


def test_each_private_name_is_listed_with_what_it_is_for():
    modules, attributes = private_names(MODULES)
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    section = page.partition("## Keras's private names\n")[2].partition("\n## ")[0]
    names = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {name for each in names for name in re.findall(r"`([\w.]+)`", each)}
    assert listed == modules | attributes - NONE_OF_THEIRS


def test_the_check_sees_private_names_however_they_are_used(tmp_path):
    code = (
        "def f(layer):\n    from keras.src.utils import tracking\n"
        "    self._mine = layer._theirs, getattr(layer, '_too'), self._mine, self._inherited\n"
    )
    (tmp_path / "m.py").write_text(code)
    expected = {"keras.src.utils"}, {"_theirs", "_too", "_inherited"}
    assert private_names([tmp_path / "m.py"]) == expected


def test_the_check_sees_imports_in_functions_and_under_type_checking(tmp_path):
    code = (
        "def f():\n    from keras_oddsig import signal\n"
        "if TYPE_CHECKING:\n    from keras_oddsig.callbacks import ActivationSpread\n"
    )
    (tmp_path / "m.py").write_text(code)
    found = imports_of(tmp_path / "m.py")
    assert {("keras_oddsig", "signal"), ("keras_oddsig", "callbacks")} <= found
