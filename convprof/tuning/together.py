"""Several processes that train one network as one would: the same steps, each on its share of every batch.

Gradients are averaged by torch's DistributedDataParallel (Li et al. 2020). What decides how a run goes on, its losses,
its measures and its clock, is made the same in all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from convprof import processes
from convprof.errors import UsageError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Together:
    """The processes of a run, of which this one has number `rank`, and the device that it trains on."""

    device: torch.device
    rank: int = 0
    count: int = 1

    def share(self, whole: int) -> slice:
        """The part of so many samples."""
        return slice(self.rank * whole // self.count, (self.rank + 1) * whole // self.count)

    def weight(self, count: int, whole: int) -> float:
        """What a mean over `count` of `whole` samples is multiplied by, so that the processes' mean is that of all."""
        return count * self.count / whole

    def wrapped(self, objective: nn.Module) -> nn.Module:
        """The objective, its gradients the mean over all processes."""
        if self.count == 1:
            return objective
        # The statistics of normalisations are the same everywhere already; some weights may be out of the loss's reach.
        return DistributedDataParallel(objective, broadcast_buffers=False, static_graph=True)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes, not differentiated."""
        return value if self.count == 1 else self.total(value) / self.count

    def total(self, value: Tensor) -> Tensor:
        """The sum over the processes, not differentiated."""
        return value if self.count == 1 else self._summed(value.detach().clone())

    def totals(self, *values: float) -> list[float]:
        """Each summed over the processes."""
        if self.count == 1:
            return list(values)
        return [float(each) for each in self._summed(torch.tensor(values, dtype=torch.float64, device=self.device))]

    def first(self, value: Value) -> Value:
        """What the first process has."""
        if self.count == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, device=self.device)
        return held[0]

    def clock(self, timer: Callable[[], float]) -> Callable[[], float]:
        """The first process's clock, so that all see the same time; all must read it equally often."""
        if self.count == 1:
            return timer

        def read() -> float:
            now = torch.tensor(timer(), dtype=torch.float64, device=self.device)
            distributed.broadcast(now, 0)
            return now.item()

        return read

    def _summed(self, value: Tensor) -> Tensor:
        distributed.all_reduce(value)
        return value


@contextmanager
def joined() -> Iterator[Together]:
    """The processes that were started together with this one, each with a GPU of its own where there are any.

    Raises UsageError where they cannot find each other, or a GPU.
    """
    gpu = torch.cuda.is_available()
    if processes.count() == 1:
        yield Together(torch.device("cuda" if gpu else "cpu"))
        return
    device = _gpu() if gpu else torch.device("cpu")
    try:
        distributed.init_process_group("nccl" if gpu else "gloo")
    except (ValueError, RuntimeError) as error:
        why = f"this one of {processes.count()} processes does not find the others: {str(error).splitlines()[0]}"
        raise UsageError("torchrun", why, "start them as `torchrun --nproc-per-node 2 -m convprof tune ...`") from error
    try:
        yield Together(device, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def _gpu() -> torch.device:
    """The GPU of this process."""
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise UsageError("torchrun", f"there are {there} GPUs for more processes", f"say --nproc-per-node {there}")
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device
