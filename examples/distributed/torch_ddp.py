"""Ranks that start equal: PyTorch's DistributedDataParallel with two processes.

    python examples/distributed/torch_ddp.py

For whoever trains on several devices with PyTorch; half a minute on two cores. With an integer seed
each rank draws the same kernels, before anything is sent. The processes speak gloo over the
loopback and compute on the CPU; with GPUs, choose nccl and one device for each rank.
"""

from __future__ import annotations

import gc
import os
import socket

os.environ["KERAS_BACKEND"] = "torch"
os.environ["KERAS_TORCH_DEVICE"] = "cpu"  # where there is a GPU, too

import keras
import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import keras_oddsig as ko

RANKS, WIDTH, LAYERS = 2, 32, 6


def build(cls: type) -> keras.Model:
    """A seed for each layer, for an initializer repeats itself with an integer seed."""
    hidden = [
        keras.layers.Dense(WIDTH, "tanh", kernel_initializer=cls("tanh", depth=LAYERS, seed=layer))
        for layer in range(LAYERS)
    ]
    last = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=LAYERS))
    return keras.Sequential([keras.Input((WIDTH,)), *hidden, last])


def ranks_are_equal(model: torch.nn.Module) -> bool:
    """Whether all ranks hold the same weights."""
    mine = torch.cat([weight.detach().flatten() for weight in model.parameters()])
    all_of_them = [torch.empty_like(mine) for _ in range(RANKS)]
    dist.all_gather(all_of_them, mine)
    return all(torch.equal(mine, other) for other in all_of_them)


def train(cls: type, rank: int) -> None:
    model = build(cls)
    at_start = ranks_are_equal(model)
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.Adam(parallel.parameters(), lr=3e-3)
    x = torch.as_tensor(np.random.default_rng(rank).standard_normal((256, WIDTH)).astype("float32"))
    losses = []
    for step in range(40):  # each rank has its own data
        batch = x[step % 8 * 32 :][:32]
        loss = torch.mean((parallel(batch) - batch[:, :1]) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    after = ranks_are_equal(model)
    if rank == 0:
        print(
            f"{cls.__name__}: {RANKS} ranks, equal at the start: {at_start}, after "
            f"training: {after}; loss {losses[0]:.3f} -> {losses[-1]:.3f}"
        )
    assert at_start
    assert after
    assert losses[-1] < losses[0] / 2


def work(rank: int, port: int) -> None:
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=RANKS
    )
    keras.utils.set_random_seed(rank)  # of no effect on the weights, which have their own seeds
    for cls in (ko.OddSigmoidInit, ko.OddSigmoidOrthogonal):
        train(cls, rank)
    # A DistributedDataParallel that outlives its group ends it, and may stand still over that: it
    # waits for the group's threads, and these, to release a tensor, for Python.
    gc.collect()
    dist.destroy_process_group()


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, args=(port,), nprocs=RANKS)


if __name__ == "__main__":
    main()
