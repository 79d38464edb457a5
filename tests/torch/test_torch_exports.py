"""Networks of the usual kinds, exported by torch and loaded again: same outputs, same gradients as before."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_models import assert_like_the_runtime, noise

from benchmarks.modules.nets import KINDS, build
from convprof.torch import load


@pytest.mark.parametrize("name", KINDS)
def test_an_export_computes_and_learns_as_the_network_did(name: str, tmp_path: Path) -> None:
    network, shape = build(name), KINDS[name].shape
    path = tmp_path / "export.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated; the newer one needs a package more
        torch.onnx.export(
            network, (torch.zeros(shape),), str(path), dynamo=False, opset_version=17, input_names=["x"],
            dynamic_axes={"x": {0: "N"}},
        )  # fmt: skip
    assert_like_the_runtime(path, noise(3, *shape[1:]))

    gradients = []
    for each in (network, load(path).eval()):
        x = torch.from_numpy(noise(*shape)).requires_grad_()
        y = each(x)
        (y * torch.from_numpy(noise(*y.shape, seed=1))).sum().backward()
        assert x.grad is not None
        gradients.append(x.grad.numpy())
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-5 * float(np.abs(gradients[0]).max()))
