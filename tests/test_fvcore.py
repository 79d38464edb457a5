"""Counts of convprof against fvcore's on torch twins of known networks, exported with BatchNorm unfolded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fvcore.nn.flop_count import FlopCountAnalysis
from fvcore.nn.parameter_count import parameter_count

import convprof
from benchmarks import networks

SIZE = 64
KERNELS = ("conv", "linear", "addmm", "matmul")


def fvcore_macs(network: torch.nn.Module) -> int:
    """Convolutions and fully connected layers alone: fvcore's flops are multiply-accumulates."""
    flops = FlopCountAnalysis(network, torch.zeros(1, 3, SIZE, SIZE))
    flops.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return sum(int(count) for operator, count in flops.by_operator().items() if operator in KERNELS)


@pytest.mark.parametrize("name", ["ResNet-18", "MobileNet-v2"])
def test_macs_and_parameters_are_those_of_fvcore(name: str, tmp_path: Path) -> None:
    network = networks.build(name)
    networks.export(network, SIZE, tmp_path / "twin.onnx")

    found = convprof.analyze(tmp_path / "twin.onnx", max_rank=0)

    assert found.totals.macs == fvcore_macs(network)
    assert found.totals.parameters == parameter_count(network)[""]
    assert not found.uncounted
