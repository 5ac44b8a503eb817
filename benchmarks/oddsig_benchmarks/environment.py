"""Where something was measured: backend, machine, versions, day.

Only what is looked up, not what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko

BACKEND = keras.backend.backend()
# What may have installed it; the last one that did gives the version.
DISTRIBUTIONS = ("tensorflow", "tensorflow-cpu") if BACKEND == "tensorflow" else (BACKEND,)


def require_jax(parser: argparse.ArgumentParser) -> None:
    """Ends the program where Keras has another backend."""
    if BACKEND != "jax":
        parser.error(f"needs KERAS_BACKEND=jax. Received: {BACKEND}")


def of_device() -> dict[str, Any]:
    """For figures of one process: the device that it computes on."""
    return {
        "backend": BACKEND,
        "device": device(),
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "versions": {
            "keras": keras.__version__,
            "numpy": np.__version__,
            DISTRIBUTIONS[-1]: backend_version(),
        },
    }


def of_machine(jobs: int) -> dict[str, Any]:
    """For runs on all cores of a machine: its processor, and how many processes ran.

    Where the backend computes on another device, that is named, too.
    """
    found = device()
    return {
        "backend": BACKEND,
        **({} if "CPU cores" in found else {"device": found}),
        "cpu": processor(),
        "cores": os.cpu_count(),
        "jobs": jobs,
        "python": platform.python_version(),
        "versions": {
            "keras": keras.__version__,
            "keras_oddsig": ko.__version__,
            BACKEND: backend_version(),
        },
        "date": datetime.date.today().isoformat(),
    }


def backend_version() -> str:
    found = ""
    for name in DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found = importlib.metadata.version(name)
    return found


def processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def device() -> str:
    """The device that the backend computes on, in its own words."""
    match BACKEND:
        case "jax":
            import jax

            kind = jax.devices()[0].device_kind
        case "torch":
            import torch

            kind = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        case _:
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            kind = (
                tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "cpu"
            )
    return f"{kind}, {os.cpu_count()} CPU cores, {platform.machine()}" if "cpu" in kind else kind
