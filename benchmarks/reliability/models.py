"""What `tailor` makes of hundreds of random models.

    KERAS_BACKEND=torch python benchmarks/reliability/models.py --page docs/reliability.md

For who wants to know whether a model of an unusual shape is safe with `tailor`. Each model, random
layers in a random graph, is tailored with an error thrown in at a random line of the package's own
code, and must then be what it was before; is tailored for good, with data or without, and must be
changed as the report says or refuse with a named reason. Where the report has given every kernel
before an odd sigmoid an initializer, `signal_report` must find the signal healthy on data that
`tailor` has not seen, or the report must have named what may keep it from that. About ten minutes
for 300 models.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko

sys.path.append(str(Path(__file__).parent.parent))
from oddsig_benchmarks.graphs import Maker
from reliability.page import publish

AGREES = 0.1  # of two measurements of one spread
FRESH = 256  # samples that `tailor` has not seen

# What a report says of a kernel where a signal may not be well, whatever the gain; and of whom.
SAID = {
    r"is assumed|are assumed": "no data were given",
    r"made for a depth of": "a `depth` that was asked for, and is less than the chain's",
    r"called on data and on activations": "a layer that is called on data and on activations",
    r"may have a mean that all": "a kernel behind an activation that is no odd sigmoid",
    r"bottleneck=1\b": "a layer of one unit between wider ones",
}


class InjectedError(Exception):
    """Thrown in from outside."""


@dataclass
class Tally:
    """What became of the models.

    Attributes:
        counts: By what happened.
        verdicts: Of `signal_report`, where every kernel before an odd sigmoid was tailored.
        reasons: What the reports said of the models among those that are not healthy.
        unsaid: Of which they said nothing, a line each.
        wrong: What must not happen, a line each.
    """

    counts: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unsaid: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def state_of(model: keras.Model) -> list[Any]:
    """All that `tailor` may change: values, initializers, the optimizer, the graph."""
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else [])]
    values = [np.array(keras.ops.convert_to_numpy(each)) for each in variables]
    parts = [each for each in model._flatten_layers() if not isinstance(each, keras.Model)]
    settings = [
        {name: id(value) for name, value in vars(each).items() if name.endswith("_initializer")}
        for each in parts
    ]
    nodes = [(len(each._inbound_nodes), len(each._outbound_nodes)) for each in parts]
    return [values, settings, nodes]


def same(one: list[Any], other: list[Any]) -> bool:
    values = all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(one[0], other[0], strict=True)
    )
    return values and one[1:] == other[1:]


@contextmanager
def thrown(number: int) -> Iterator[list[str]]:
    """Raises an `InjectedError` at the `number`th line that runs in `keras_oddsig.tailoring`.

    Not while the package is putting things back: that, like any code, is done in lines of its own.
    """
    left, where = [number], []

    def at_line(frame: Any, event: str, _: Any) -> Any:
        if event == "line" and not where:
            left[0] -= 1
            if left[0] <= 0:
                where.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
                raise InjectedError(where[0])
        return at_line

    def at_call(frame: Any, *_: Any) -> Any:
        path = frame.f_code.co_filename
        inside = "keras_oddsig/tailoring" in path and frame.f_code.co_name not in _CONTEXTS
        return at_line if inside and not where else None

    before = sys.gettrace()
    sys.settrace(at_call)
    try:
        yield where
    finally:
        sys.settrace(before)


# What puts things back, in a `finally` of its own.
_CONTEXTS = ("_restored", "_without_new_nodes", "_tapped")


def look_at(seed: int, tally: Tally) -> None:
    """Makes one model, breaks off, tailors, measures."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    choose = random.Random(seed)
    model, shapes = Maker(seed).model()
    if choose.random() < 0.5:
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(seed)
    scale = 10 ** choose.uniform(-1, 1)

    def samples(number: int) -> Any:
        drawn = (rng.standard_normal((number, *shape)) for shape in shapes)
        arrays = [(scale * each).astype("float32") for each in drawn]
        return arrays[0] if len(arrays) == 1 else arrays

    data, fresh = samples(64), samples(FRESH)
    arguments = {
        "data": data if choose.random() < 0.8 else None,
        "method": choose.choice(("auto", "auto", "diagonal", "orthogonal")),
        "depth": choose.choice(("auto", "auto", 1, 30)),
        "seed": choose.choice((None, seed)),
    }
    before = state_of(model)

    def check(what: str, unchanged: bool) -> None:
        if not unchanged:
            tally.wrong.append(f"seed {seed}: {what}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ko.tailor(model, **{**arguments, "dry_run": True})
        check("a dry run changed the model", same(before, state_of(model)))
        try:
            with thrown(int(10 ** choose.uniform(0.5, 3.7))) as where:
                ko.tailor(model, **arguments)
            tally.counts["ended before the error, or went on without what it hit"] += 1
            before = state_of(model)
        except (InjectedError, ValueError) as error:  # where code of a model might have raised it
            if not where:
                raise error
            tally.counts["broken off by an error"] += 1
            check(f"half changed by an error at {where[0]}", same(before, state_of(model)))
        try:
            report = ko.tailor(model, **arguments)
        except (TypeError, ValueError) as error:
            tally.counts["refused, with a reason"] += 1
            check(f"refused, with no reason: {error}", "Received: " in str(error))
            check("half changed by a refusal", same(before, state_of(model)))
            return
        tally.counts["tailored"] += 1
        json.dumps(report.to_dict())
        judged = [row for row in report.kernels if row.activation is not None]
        measured = ko.signal_report(model, data) if judged else None
        later = ko.signal_report(model, fresh) if judged else None
    values = [keras.ops.convert_to_numpy(each) for each in model.variables]
    check("numbers that are not finite", all(np.isfinite(each).all() for each in values))
    if measured is not None:
        _compare(seed, report, measured, tally)
        _judge(seed, report, later, tally)


def _compare(seed: int, report: Any, measured: Any, tally: Tally) -> None:
    """The report of `tailor` with a measurement of its own."""
    rows = {}
    for row in measured.layers:
        rows.setdefault(row.name, row)
    judged = [row for row in report.kernels if row.activation is not None]
    for row in judged:
        if row.measured is None or row.layer not in rows:
            continue
        tally.counts["kernels measured twice"] += 1
        spread = rows[row.layer].statistics["std"]
        if abs(row.measured - spread) > AGREES * max(row.measured, spread):
            tally.wrong.append(
                f"seed {seed}: {row.layer} is {row.measured:.3g} in one report and {spread:.3g} in "
                "the other"
            )


def _judge(seed: int, report: Any, later: Any, tally: Tally) -> None:
    """Whether a signal is well of which the report of `tailor` says nothing else."""
    judged = [row for row in report.kernels if row.activation is not None]
    if any(row.initializer is None for row in judged):
        return
    tally.verdicts[later.verdict] += 1
    if later.healthy:
        return
    said = " ".join(f"{row.initializer}: {row.reason}" for row in judged)
    found = [where for words, where in SAID.items() if re.search(words, said)]
    tally.reasons[found[0] if found else "nothing"] += 1
    if not found:
        tally.unsaid.append(f"seed {seed}: {later.verdict} from {later.start} on")


def try_models(number: int, first: int) -> Tally:
    """Models of so many seeds."""
    tally = Tally()
    for seed in range(first, first + number):
        try:
            look_at(seed, tally)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            tally.wrong.append(
                f"seed {seed}: {type(error).__name__} at {Path(place.filename).name}:"
                f"{place.lineno}: {str(error).splitlines()[0] if str(error) else ''}"
            )
    return tally


def section(tally: Tally, number: int) -> str:
    lines = [
        f"`benchmarks/reliability/models.py`: {number} random models, Keras {keras.__version__} on "
        f"{keras.backend.backend()}.",
        "",
        *(f"- {what}: {count}" for what, count in sorted(tally.counts.items())),
        f"- what must not happen (a model half changed, an error without a reason, reports that "
        f"differ by more than {AGREES:.0%}): {len(tally.wrong)}",
        "",
        "Of the models in which each kernel before an odd sigmoid was tailored, `signal_report` "
        "said, on data that `tailor` had not seen:",
        "",
        *(f"- {verdict}: {count}" for verdict, count in tally.verdicts.most_common()),
        "",
        "Of those that are not healthy, the report of `tailor` had named:",
        "",
        *(f"- {reason}: {count}" for reason, count in tally.reasons.most_common()),
        *(f"  - {line}" for line in tally.unsaid),
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=300, help="of models")
    parser.add_argument("--seed", type=int, default=0, help="of the first of them")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args(arguments)
    tally = try_models(options.number, options.seed)
    publish("models", section(tally, options.number), options.page)
    print(*tally.wrong, sep="\n", file=sys.stderr)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
