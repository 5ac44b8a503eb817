"""Makes archives, HDF5 files and arrays a little wrong: what is in them, and what they are."""

from __future__ import annotations

import io
import random
import zipfile
from typing import Any, Final

import h5py
import numpy as np

from reliability.fuzzing.mutations import TEXTS, Tree, of_bytes


class Archive:
    """Changes a `.keras` file: what it holds, or that it holds something else.

    Args:
        tree: Changes the JSON in it.
        outside: A path outside the target, at which nothing may be written.
    """

    def __init__(self, tree: Tree, outside: str) -> None:
        self._tree = tree
        self._outside = outside
        self._hdf5 = Hdf5(tree, outside)

    def __call__(self, content: bytes, rng: random.Random) -> bytes:
        members = read_archive(content)
        if members is None or rng.random() < 0.05:
            return of_bytes(content, rng)
        match rng.randrange(20):
            case 0:
                name = rng.choice(list(members))
                members[name] = of_bytes(members[name], rng)
            case 1:
                members.pop(rng.choice(list(members)))
            case 2 | 3:
                members[self._name(rng)] = rng.choice((b"", b"x", b"\x00" * 2**20))
            case 4 | 5 | 6 if "model.weights.h5" in members:
                weights = members["model.weights.h5"]
                members["model.weights.h5"] = self._hdf5(weights, rng)
            case 7 if "metadata.json" in members:
                members["metadata.json"] = self._tree.text(members["metadata.json"], rng)
            case 8 if len(members) > 1:
                first, second = rng.sample(list(members), 2)
                members[first] = members[second]
            case _ if "config.json" in members:
                members["config.json"] = self._tree.text(members["config.json"], rng)
        return write_archive(members, link=rng.random() < 0.02 and self._outside)

    def _name(self, rng: random.Random) -> str:
        names = ("../outside", self._outside, "assets/../../../outside", "assets//outside")
        more = (
            "assets/x",
            "..\\outside",
            "model.weights.h5/",
            "a" * 300,
            "C:\\x",
            "слой",
            "assets/",
        )
        return rng.choice((*names, *more))


def read_archive(content: bytes) -> dict[str, bytes] | None:
    """The members of an archive, or None where there is none to read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(each.file_size for each in archive.infolist()) > 2**26:
                return None
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # of a broken archive anything
        return None
    return members or None


def write_archive(members: dict[str, bytes], link: str | bool = False) -> bytes:
    """An archive of members and, where asked for, of a symbolic link to a path."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
        if link:
            info = zipfile.ZipInfo("assets")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, str(link))
            archive.writestr("assets/outside", b"x")
    return buffer.getvalue()


class Hdf5:
    """Changes an HDF5 file: its bytes, its attributes, what its datasets are.

    Args:
        tree: Changes the JSON in its attributes.
        outside: A path to which links lead.
    """

    def __init__(self, tree: Tree, outside: str) -> None:
        self._tree = tree
        self._outside = outside

    def __call__(self, content: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.15:
            return of_bytes(content, rng)
        buffer = io.BytesIO(content)
        try:
            with h5py.File(buffer, "r+") as file:
                self._change(file, rng)
        except Exception:  # of a broken file anything
            return of_bytes(content, rng)
        return buffer.getvalue()

    def _change(self, file: Any, rng: random.Random) -> None:
        paths: list[str] = []
        file.visit(paths.append)
        path = rng.choice(["/", *paths])
        node = file[path]
        attributes = list(node.attrs)
        if "model_config" in file.attrs and rng.random() < 0.6:
            text = file.attrs["model_config"]
            text = text.encode() if isinstance(text, str) else text
            file.attrs["model_config"] = self._tree.text(text, rng)
        elif attributes and rng.random() < 0.5:
            name = rng.choice(attributes)
            node.attrs[name] = rng.choice((b"\xff", "x", 3, [b"a", b"b"], np.nan, "{}", "[]"))
        elif path == "/":
            file.create_group(rng.choice(("layers", "x", "_layer_checkpoint_dependencies/y")))
        else:
            del file[path]
            match rng.randrange(6):
                case 0:
                    file[path] = rng.choice((3, "x", b"y", [np.nan] * 3, [[1e30]], [True]))
                case 1:
                    shape = rng.choice(((0,), (2, 0), (1,) * 32, (2**20, 2**20), (3, 3)))
                    file.create_dataset(path, shape, rng.choice(("f4", "f8", "i1", "c8", "S3")))
                case 2:
                    file[path] = h5py.SoftLink(rng.choice(("/", path, "/nothing")))
                case 3:
                    file[path] = h5py.ExternalLink(self._outside, "/")
                case 4:
                    file.create_dataset(path, (4,), "u1", external=[(self._outside, 0, 4)])
                case _:
                    file.create_group(path)


_HEADERS: Final = (
    *(
        "",
        "{",
        "(" * 9000,
        "[" * 900 + "]" * 900,
        "__import__('os').system('true')",
        "{'descr': 1}",
    ),
    *("1" * 9000, "\x00", "-" * 9000 + "1", "{'a': 1}" * 9, "'%s'" % ("x" * 9000)),
)


def of_array(content: bytes, rng: random.Random) -> bytes:
    """Changes a `.npy` file, its header above all, or what a `.npz` file holds."""
    members = read_archive(content)
    if members and rng.random() < 0.9:
        name = rng.choice(list(members))
        match rng.randrange(5):
            case 0:
                members[rng.choice(TEXTS).encode(errors="replace").decode() + ".npy"] = content
            case 1:
                members[rng.choice(("x.txt", "../x.npy", "x"))] = members.pop(name)
            case _:
                members[name] = of_array(members[name], rng)
        try:
            return write_archive(members)
        except (ValueError, IndexError):  # a name that no archive takes
            return of_bytes(content, rng)
    if rng.random() < 0.2 or content[:6] != b"\x93NUMPY":
        return of_bytes(content, rng)
    header = {
        "descr": rng.choice(
            ("<f4", "<f8", ">f2", "<i8", "|b1", "|O", "<c8", "|S0", "<U5", "|V0", "<M8[D]", "f", 3)
        ),
        "fortran_order": rng.choice((False, False, True, 2, None)),
        "shape": rng.choice(
            (
                *((4, 16), (64, 16), (16,), (), (0,), (0, 16), (1, 0), (10**12, 16), (-1, 16)),
                *((2**63, 2**63), (64, 16, 1), ("a",), [64, 16], 5, (1,) * 40, (True, 16)),
            )
        ),
    }
    if rng.random() < 0.2:
        header.pop(rng.choice(list(header)))
    text = (repr(header) if rng.random() < 0.9 else rng.choice(_HEADERS)).encode()
    version = rng.choice(((1, 0), (1, 0), (2, 0), (3, 0), (9, 9)))
    size = len(text) if rng.random() < 0.9 else rng.choice((0, 2, 60000))
    length = size.to_bytes(2 if version[0] == 1 else 4, "little")
    data = rng.choice((b"", content[128:], b"\xff" * 64, np.zeros((64, 16), "f4").tobytes()))
    return b"\x93NUMPY" + bytes(version) + length + text + data
