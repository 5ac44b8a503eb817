"""The suite at both ends of what pyproject.toml allows, on each backend and each Python.

    make matrix                                                    # all that there is
    python tools/matrix.py --end oldest --backend torch            # a part of it
    python tools/matrix.py --tests tests/test_seeds.py             # a first look
    python tools/matrix.py --resume --page docs/reliability.md     # with what was run before
    python tools/matrix.py --report --page docs/reliability.md     # that alone

What a page says of environments that were not run now stays there.

For maintainers, before a release and after a change of a bound. The oldest end has the lower bounds
of pyproject.toml, or the lowest that go together above them and have a wheel for that Python (uv
finds them; `pip install uv`); the newest has what pip resolves. Each pair of an end and a backend
has an environment of its own in `.matrix`, kept until the project's table there changes or
`--fresh` is given, and is tested there as by `make test`, and by the solver's tests. Ten to twenty
minutes each on one core, and one to six gigabytes: PyTorch's builds for CUDA are large, and pip's
own settings may name an index with others. An interpreter that is not there is named and left
out. The exit status is 1
where a test has failed, or an environment could not be made.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from packaging.requirements import Requirement
from packaging.version import Version

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
from reliability import page

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".matrix"
PYTHONS = ("python3.11", "python3.12", "python3.13")
BACKENDS = ("jax", "tensorflow", "torch")
ENDS = ("oldest", "newest")
UV = [sys.executable, "-m", "uv", "pip"]


@dataclass
class Row:
    """What became of one environment."""

    python: str
    end: str
    backend: str
    versions: dict[str, str] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    first: str = ""  # the first test that failed, or why none was run


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        table: dict[str, Any] = tomllib.load(file)["project"]
    return table


def requirements(table: Mapping[str, Any], extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """What the project needs, and with some of its extras, which may name others."""
    lists = [table["dependencies"], *(table["optional-dependencies"][name] for name in extras)]
    for requirement in (Requirement(text) for texts in lists for text in texts):
        if requirement.name == table["name"]:
            yield from requirements({**table, "dependencies": []}, sorted(requirement.extras))
        else:
            yield requirement


def bounds(table: Mapping[str, Any], extras: Iterable[str] = ()) -> dict[str, Version]:
    """The lower bound of each package that has one."""
    return {
        requirement.name: Version(specifier.version)
        for requirement in requirements(table, extras)
        for specifier in requirement.specifier
        if specifier.operator in (">=", "==", "~=")
    }


def release(python: str) -> str:
    """An interpreter's own version; empty where there is none, or it does not start."""
    if shutil.which(python) is None:
        return ""
    command = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def pins(python: str, backend: str) -> str:
    """The oldest of each package that pyproject.toml names, in a form that pip reads.

    No package that it names is built from its source: a release that is older than a Python has
    no wheel for it.
    """
    extras = (backend, "test")
    command = [*UV, "compile", "pyproject.toml", "--quiet", "--python", python]
    command += [
        "--resolution=lowest-direct",
        "--no-header",
        "--no-annotate",
        *(f"--extra={name}" for name in extras),
    ]
    command += [f"--only-binary={each}" for each in sorted(bounds(project(), extras))]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_environment(folder: Path, python: str, end: str, backend: str) -> None:
    """Makes an environment, unless it is there and the project needs what it needed."""
    stamp = folder / "made-from.json"
    text = json.dumps(project(), indent=1)
    if stamp.exists() and stamp.read_text() == text:
        return
    shutil.rmtree(folder, ignore_errors=True)
    inside, file = str(folder / "bin" / "python"), folder / "pins.txt"
    # With pip, and where it brings setuptools with that: PyTorch's compiler imports it.
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    if end == "oldest":
        file.write_text(pins(python, backend))
        install = [*UV, "install", "--python", inside, "--requirement", str(file), "--editable=."]
    else:
        install = [inside, "-m", "pip", "install", "--editable", f".[{backend},test]"]
    subprocess.run([*install, "--quiet"], cwd=ROOT, check=True)
    stamp.write_text(text)


def versions(folder: Path, backend: str) -> dict[str, str]:
    """The versions of the backend and of what the package itself needs."""
    (its_package,) = project()["optional-dependencies"][backend]
    names = [Requirement(its_package).name, *bounds(project())]
    code = f"import importlib.metadata as m, json; print(json.dumps([*map(m.version, {names})]))"
    command = [str(folder / "bin" / "python"), "-c", code]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(zip(names, json.loads(done.stdout), strict=True))


def run(folder: Path, target: str, *variables: str) -> Path:
    """Makes a target of the Makefile in an environment. Gives pytest's file of results.

    Warnings are errors in the suite. Old packages warn of being old beside newer ones that they
    need: such warnings, and no others, are passed over at the oldest end.
    """
    (folder / ".dev").touch()  # the Makefile's sign that nothing is to be installed
    results = folder / f"{target}.xml"
    results.unlink(missing_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    options = [f"--junitxml={results.relative_to(ROOT)}", "-p no:cacheprovider"]
    if "-oldest-" in folder.name:
        names = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
        options += [f"-W ignore::{name}" for name in names]
    env["PYTEST_ADDOPTS"] = " ".join(options)
    place = f"VENV={folder.relative_to(ROOT)}"
    command = ["make", "--no-print-directory", target, place, *variables]
    subprocess.run(command, cwd=ROOT, env=env)
    return results


def count(results: Path, row: Row) -> None:
    """Adds one run of pytest to a row."""
    if not results.exists():
        row.failed += 1
        row.first = row.first or f"{results.stem} did not end"
        return
    for case in ElementTree.parse(results).iter("testcase"):
        found = {child.tag for child in case}
        if found & {"failure", "error"}:
            row.failed += 1
            row.first = row.first or f"{case.get('classname')}::{case.get('name')}"
        elif "skipped" in found:
            row.skipped += 1
        else:
            row.passed += 1


def suite(python: str, end: str, backend: str, tests: list[str]) -> Row:
    """One environment, made and tested. Whole runs are kept for `--resume`."""
    row = Row(release(python), end, backend)
    folder = folder_of(row)
    try:
        make_environment(folder, python, end, backend)
    except subprocess.CalledProcessError as error:
        row.failed, row.first = 1, f"not installed: {Path(error.cmd[0]).name} has failed"
        return row
    row.versions = versions(folder, backend)
    if tests:
        targets, variables = [f"test-{backend}"], [f"TESTS={' '.join(tests)}", "WITHOUT="]
    else:
        benchmarks = ["test-benchmarks"] if backend == "jax" else []
        targets, variables = [f"test-{backend}", *benchmarks, "test-solver"], []
    for target in targets:
        print(f"{folder.name}: {target}", flush=True)
        count(run(folder, target, *variables), row)
    if not tests:
        (folder / "row.json").write_text(json.dumps(asdict(row)))
    return row


def folder_of(row: Row) -> Path:
    """Where an environment stands: an interpreter's bugfix releases share it."""
    return FOLDER / f"{row.python.rpartition('.')[0]}-{row.end}-{row.backend}"


def kept(python: str, end: str, backend: str) -> Row | None:
    """What the last whole run in an environment gave."""
    file = folder_of(Row(release(python), end, backend)) / "row.json"
    return Row(**json.loads(file.read_text())) if file.exists() else None


def line(row: Row, lowest: Mapping[str, Version]) -> str:
    """A row of the table. What is above its bound at the oldest end has a star."""
    names = []
    for name, version in row.versions.items():
        above = row.end == "oldest" and Version(Version(version).public) > lowest[name]
        names.append(f"{name} {version}" + r"\*" * above)
    first = f"`{row.first}`" if row.first else ""
    cells = [row.python, row.end, ", ".join(names) or row.backend]
    cells += [f"{number:,}" for number in (row.passed, row.failed, row.skipped)]
    return f"| {' | '.join(cells)} | {first} |".replace("|  |", "| |")


def place_of(text: str) -> tuple[Version, int, int]:
    """Which environment a row of the table is of; of a Python's bugfix releases the same."""
    python, end, packages = (cell.strip() for cell in text.split("|")[1:4])
    return (
        Version(python.rpartition(".")[0]),
        ENDS.index(end),
        BACKENDS.index(packages.partition(" ")[0]),
    )


def section(
    rows: Iterable[Row], absent: Iterable[str], table: Mapping[str, Any], before: str = ""
) -> str:
    """What the page says: of the rows, and of other environments what it has said before."""
    lowest = bounds(table, table["optional-dependencies"])
    of_rows = [each for each in before.splitlines() if re.match(r"\| \d", each)]
    of_rows += [line(row, lowest) for row in rows]
    by_place = {place_of(each): each for each in of_rows}
    lines = [
        "`make matrix`. *oldest*: the lower bounds of `pyproject.toml`; with a star the lowest "
        "above them that goes together with the others, or has a wheel for that Python. "
        "*newest*: what pip resolved.",
        "",
        "| Python | end | versions | passed | failed | skipped | first failing test |",
        "|---|---|---|---|---|---|---|",
        *(by_place[place] for place in sorted(by_place)),
    ]
    if names := ", ".join(absent):
        lines += ["", f"Not tried this time, since not found: {names}."]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", nargs="+", default=PYTHONS, help="names or paths")
    parser.add_argument("--end", nargs="+", choices=ENDS, default=ENDS)
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--tests", nargs="+", default=[], help="files, in place of all")
    parser.add_argument("--fresh", action="store_true", help="make the environments anew")
    parser.add_argument("--resume", action="store_true", help="take whole runs that were kept")
    parser.add_argument("--report", action="store_true", help="of whole runs that were kept only")
    page.add_argument(parser)
    options = parser.parse_args(arguments)
    if options.tests and options.page is not None:
        parser.error("--page is for whole runs, and --tests names a part of the tests")

    absent = [python for python in options.python if not release(python)]
    if absent:
        print(f"Not found: {', '.join(absent)}", flush=True)
    rows = []
    places = [(p, e, b) for p in options.python for e in options.end for b in options.backend]
    for place in (place for place in places if place[0] not in absent):
        if options.fresh:
            shutil.rmtree(folder_of(Row(release(place[0]), *place[1:])), ignore_errors=True)
        row = kept(*place) if options.resume or options.report else None
        if row is None:
            if options.report:
                continue
            row = suite(*place, options.tests)
        rows.append(row)
        print(line(row, bounds(project(), BACKENDS)), flush=True)
    before = ""
    if options.page is not None and options.page.exists():
        before = page.section_of(options.page.read_text(), "matrix")
    page.publish("matrix", section(rows, absent, project(), before), options.page)
    return 1 if any(row.failed for row in rows) or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
