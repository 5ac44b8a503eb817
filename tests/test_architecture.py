"""The house: no room is a hall, and nobody imports from a floor above."""

import ast
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


def test_the_check_sees_imports_in_functions_and_under_type_checking(tmp_path):
    code = (
        "def f():\n    from keras_oddsig import signal\n"
        "if TYPE_CHECKING:\n    from keras_oddsig.callbacks import ActivationSpread\n"
    )
    (tmp_path / "m.py").write_text(code)
    found = imports_of(tmp_path / "m.py")
    assert {("keras_oddsig", "signal"), ("keras_oddsig", "callbacks")} <= found
