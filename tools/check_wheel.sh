#!/usr/bin/env bash
# Does the wheel alone do what the README says, in an empty environment?
#
#     tools/check_wheel.sh dist/keras_oddsig-0.1.0-py3-none-any.whl jax
#
# For who releases a version; a minute or two, most of it pip's. Creates an environment in a folder of
# its own, installs the wheel and one backend, looks at what the wheel holds, runs the README's
# example in that folder, and both forms of the command. PyTorch: PIP_EXTRA_INDEX_URL may name an
# index of CPU builds.
set -euo pipefail
wheel=$(realpath "$1") backend=$2
readme=$(realpath "$(dirname "$0")/../README.md")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 - "$wheel" <<'PYTHON'
import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
other = [n for n in names if not n.startswith("keras_oddsig/") and ".dist-info/" not in n]
assert not other, f"not of the package: {other}"
assert any(n.endswith("licenses/LICENSE") for n in names), "no licence"
assert "keras_oddsig/py.typed" in names, "no py.typed"
PYTHON

python3 -m venv environment
bin="$folder/environment/bin"
"$bin/pip" install --quiet "$wheel[$backend]"
export KERAS_BACKEND=$backend TF_CPP_MIN_LOG_LEVEL=3
"$bin/python" - "$readme" <<'PYTHON'
import re
import sys

text = open(sys.argv[1], encoding="utf-8").read()
for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
    exec(block, {})
PYTHON
"$bin/keras-oddsig" solve --activation erf --depth 100 > /dev/null
"$bin/python" -m keras_oddsig solve --activation erf --depth 100 > /dev/null
"$bin/python" - <<'PYTHON'
import sys
import time

import keras

heavy = {"matplotlib", "pandas", "scipy.stats"} - set(sys.modules)
start = time.perf_counter()
import keras_oddsig

seconds = time.perf_counter() - start
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert "environment" in keras_oddsig.__file__
print(f"keras_oddsig {keras_oddsig.__version__} on {keras.backend.backend()}: imports in {seconds:.2f} s")
PYTHON
