"""Makes the tutorials, `examples/*.ipynb`, from their sources, the scripts beside them.

    python tools/notebooks.py                          # all of them
    python tools/notebooks.py 1_hundred_layers         # one
    python tools/notebooks.py 1_hundred_layers --backend torch   # only runs it

For those who change a tutorial: edit `examples/1_hundred_layers.py` (jupytext's percent format),
never the notebook, and call this, or `make notebooks`. It turns the source into cells, runs them on
JAX in an empty folder, and writes the notebook with its outputs, if they hold neither warnings nor
what differs from run to run. One to five minutes a tutorial on two cores. With `--backend` it runs
the cells there and writes nothing.

A cell tagged `parameters` holds how long a tutorial runs. The tests shorten that as papermill does,
by another cell behind it.
"""

from __future__ import annotations

import argparse
import ast
import base64
import copy
import io
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
LIMIT = 300_000  # bytes of a notebook

# The first code cell of each tutorial. In a source, `%pip` is commented out: jupytext does that.
INSTALL = """\
# Installs what is missing: in Colab, in a checkout, anywhere. The backend may also be "tensorflow"
# or "torch".
import importlib.util
import os
from pathlib import Path

backend = os.environ.setdefault("KERAS_BACKEND", "jax")
needed = ["keras_oddsig", "matplotlib", "sklearn", "tensorboardX", backend]
missing = [name for name in needed if importlib.util.find_spec(name) is None]
if missing:
    checkout = [path for path in ("..", ".") if Path(path, "keras_oddsig", "__init__.py").exists()]
    extras = ",".join(["examples", "tensorboard", *(name for name in missing if name == backend)])
    package = f"{checkout[0] if checkout else 'keras-oddsig'}[{extras}]"
    %pip install -q "{package}"
"""


def sources() -> list[Path]:
    """The tutorials' sources, in order."""
    return sorted(EXAMPLES.glob("[0-9]_*.py"))


def made_from(source: Path) -> NotebookNode:
    """The notebook of a source, without outputs, the same each time."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def with_parameters(notebook: NotebookNode, parameters: dict[str, Any]) -> NotebookNode:
    """A copy in which a cell behind the one tagged `parameters` sets some of its names anew."""
    notebook = nbformat.from_dict(notebook)
    tagged = [i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ValueError(f"One cell must have the tag `parameters`. Received: {len(tagged)}")
    targets = [
        target.id
        for statement in ast.parse(notebook.cells[tagged[0]].source).body
        for target in getattr(statement, "targets", [])
        if isinstance(target, ast.Name)
    ]
    if not set(parameters) <= set(targets):
        raise ValueError(f"`parameters` must be among {targets}. Received: {list(parameters)}")
    cell = nbformat.v4.new_code_cell(
        "\n".join(f"{name} = {value!r}" for name, value in parameters.items()),
        metadata={"tags": ["injected-parameters"]},
    )
    notebook.cells.insert(tagged[0] + 1, cell)
    return notebook


def execute(notebook: NotebookNode, backend: str, folder: Path, **environment: str) -> None:
    """Runs the cells in `folder`, and puts their outputs into the notebook. A cell may not fail."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    env = os.environ | quiet | environment | {"KERAS_BACKEND": backend, "PYTHONPATH": path}
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    metadata = copy.deepcopy(notebook.metadata)
    client.execute(env=env)
    notebook.metadata = metadata  # without the version of the language that ran it
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if "text/plain" in output.get("data", {}):
            # Without colours of a terminal, which HTML has beside it.
            output.data["text/plain"] = re.sub(r"\x1b\[[0-9;]*m", "", output.data["text/plain"])
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = smaller(output.data["image/png"])


def smaller(picture: str) -> str:
    """A PNG picture in base64 with a palette of 256 colours: for plots a quarter of the bytes."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    found = io.BytesIO()
    image.quantize(256).save(found, "PNG", optimize=True)
    return base64.b64encode(found.getvalue()).decode()


def texts(notebook: NotebookNode) -> Iterator[str]:
    """What the outputs say in words."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            data = output.get("data", {})
            yield from (text for kind, text in data.items() if kind.startswith("text/"))


def problems(notebook: NotebookNode) -> list[str]:
    """What a committed notebook must not have."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = []
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("its cells were not run once, in order")
    for output in (output for cell in code for output in cell.outputs):
        if output.output_type == "error" or output.get("name") == "stderr":
            found.append(f"an output is an error or a warning: {output.get('text', output)}")
    for text in texts(notebook):
        if re.search(r"\w*Warning\b|\b0x[0-9a-f]{6,}", text):
            found.append(f"an output has a warning or an address: {text[:200]}")
    size = len(nbformat.writes(notebook).encode())
    if size > LIMIT:
        found.append(f"it is of {size:,} bytes, above {LIMIT:,}")
    return found


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [source.stem for source in sources()]
    parser.add_argument("names", nargs="*", help=f"of {', '.join(names)}; by default all")
    parser.add_argument("--backend", choices=["jax", "tensorflow", "torch"], help="only run there")
    args = parser.parse_args(argv)
    for name in args.names:
        if name not in names:
            parser.error(f"NAME must be one of {', '.join(names)}. Received: {name}")
    for name in args.names or names:
        notebook = made_from(EXAMPLES / f"{name}.py")
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, args.backend or "jax", Path(folder))
        seconds = time.perf_counter() - start
        found = problems(notebook)
        size = len(nbformat.writes(notebook).encode())
        print(f"{name}: {seconds:.0f} s on {args.backend or 'jax'}, {size / 1000:.0f} kB")
        if args.backend:
            print("\n".join(text.rstrip() for text in texts(notebook) if text), *found, sep="\n")
        elif found:
            raise SystemExit("\n".join([f"{name} was not written:", *found]))
        else:
            path = EXAMPLES / f"{name}.ipynb"
            path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
