"""How much of the package the tests run, line by line and branch by branch.

    make coverage
    python benchmarks/reliability/covered.py --page docs/reliability.md

For maintainers; the first command runs the suites of all backends, about half an hour, and the
second reads what it has left in `.coverage`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
from reliability import page


def section(found: dict) -> str:
    """What the page says."""
    totals = found["totals"]
    lines = 100 * totals["covered_lines"] / totals["num_statements"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    files = {
        name: 100 * file["summary"]["covered_lines"] / file["summary"]["num_statements"]
        for name, file in found["files"].items()
        if file["summary"]["num_statements"]
    }
    least = sorted(files, key=files.__getitem__)[:5]
    return "\n".join(
        [
            "## What the tests reach",
            "",
            f"The tests of the three backends and of the solver run {lines:.1f} % of the package's "
            f"{totals['num_statements']:,} lines and {branches:.1f} % of its "
            f"{totals['num_branches']:,} branches, {len(files)} files in all. Least of it:",
            "",
            "| file | lines |",
            "|---|---:|",
            *(f"| `{name}` | {files[name]:.1f} % |" for name in least),
            "",
            "Again: `make coverage`.",
        ]
    )


def main() -> None:
    import coverage

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    page.add_argument(parser)
    args = parser.parse_args()
    measured = coverage.Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "report.json"
        measured.json_report(outfile=str(path))
        found = json.loads(path.read_text())
    page.publish("covered", section(found), args.page)


if __name__ == "__main__":
    main()
