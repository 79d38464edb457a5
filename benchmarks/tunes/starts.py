"""Factors to train from that are not convprof's fit: random ones, and such as gradient descent finds for the kernel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from convprof.torch import Module, load, save
from convprof.torch.composing import MARK, chains
from convprof.torch.ops.composed import Chain

_STEPS = 2_000
_RATE = 0.02


def random(student: Path, original: Path, output: Path, seed: int) -> None:
    """Gaussian factors, each chain's kernel as large as the original's; biases and what was not replaced stay."""
    module, teacher = load(student), load(original)
    _randomise(module, _replaced(module, teacher), seed)
    save(module, output)


def descended(student: Path, original: Path, output: Path, seed: int) -> None:
    """Factors whose composed kernel is near the original's, by Adam on |W - W'|^2 from random ones.

    So FALCON (Jang et al. 2020) fits the weights of separable convolutions, layer by layer.
    """
    module, teacher = load(student), load(original)
    replaced = _replaced(module, teacher)
    _randomise(module, replaced, seed)
    for chain, kernel in replaced:
        _descend(module, chain, kernel)
    save(module, output)


def _replaced(module: Module, teacher: Module) -> list[tuple[Chain, Tensor]]:
    """Each chain with the kernel that it stands for."""
    kernels = {step.name: teacher.value(step.inputs[1]) for step in teacher.network.steps if step.op_type == "Conv"}
    return [(chain, kernels[chain.steps[-1].name.rpartition(MARK)[0]].detach()) for chain in chains(module)]


@torch.no_grad()
def _randomise(module: Module, replaced: list[tuple[Chain, Tensor]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for chain, kernel in replaced:
        factors = [module.value(name) for name in chain.factors]
        for factor in factors:
            if factor.ndim > 1:
                factor.copy_(torch.randn(factor.shape, generator=generator))
        # Every path goes through two factors of a pair.
        size = (kernel.norm() / chain.compose(factors).kernel.norm()).sqrt()
        for factor in factors:
            if factor.ndim > 1:
                factor.mul_(size)


def _descend(module: Module, chain: Chain, kernel: Tensor) -> None:
    factors = [module.value(name) for name in chain.factors]
    optimiser = torch.optim.Adam([factor for factor in factors if factor.ndim > 1], _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        (chain.compose(factors).kernel - kernel).square().sum().backward()
        optimiser.step()
        schedule.step()
