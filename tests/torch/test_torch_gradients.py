"""Gradients of every family of operators, against finite differences in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_models import Array, noise, write

from convprof.torch import load


def wide(*shape: int, seed: int = 0) -> Array:
    return noise(*shape, seed=seed, dtype="float64")


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def scales(*numbers: float) -> Array:
    return np.array(numbers, np.float32)


def recurrent(gates: int, directions: int = 1) -> dict[str, Array]:
    return {
        "w": wide(directions, gates * 2, 3),
        "r": wide(directions, gates * 2, 2, seed=1),
        "b": wide(directions, gates * 4, seed=2),
    }


KERNEL = {"w": wide(4, 3, 3, 2), "b": wide(4)}
CHANNELS = {"s": wide(3) + 1, "b": wide(3, seed=1)}
STATISTICS = {"m": wide(3, seed=2), "v": wide(3, seed=3) ** 2 + 1}
WINDOWS = "kernel_shape = [3, 2], strides = [2, 2], ceil_mode = 1, pads = [1, 0, 0, 1]"

PICTURES: Mapping[str, tuple[str, Mapping[str, Array]]] = {
    "Conv": ("y = Conv <pads = [1, 0, 2, 1], dilations = [1, 2], strides = [2, 1]> (x, w, b)", KERNEL),
    "Conv-same": ("y = Conv <auto_pad = 'SAME_LOWER', strides = [2, 2]> (x, w, b)", KERNEL),
    "ConvTranspose": (
        "y = ConvTranspose <strides = [2, 2], output_padding = [1, 1], pads = [1, 0, 0, 1]> (x, w)",
        {"w": wide(3, 2, 3, 2)},
    ),
    "BatchNormalization": ("y = BatchNormalization(x, s, b, m, v)", {**CHANNELS, **STATISTICS}),
    "InstanceNormalization": ("y = InstanceNormalization(x, s, b)", CHANNELS),
    "GroupNormalization": ("y = GroupNormalization <num_groups = 3> (x, s, b)", CHANNELS),
    "LayerNormalization": ("y = LayerNormalization(x, s)", {"s": wide(4) + 1}),
    "LRN": ("y = LRN <size = 2, alpha = 0.5> (x)", {}),
    "PRelu": ("y = PRelu(x, s)", {"s": wide(3, 1, 1)}),
    "activations": ("p = Selu(x) q = Celu(p) r = Mish(q) s = HardSwish(r) t = Gelu(s) u = Softplus(t) y = Tanh(u)", {}),
    "Softmax": ("y = Softmax <axis = 1> (x)", {}),
    "MaxPool": (f"y = MaxPool <{WINDOWS}> (x)", {}),
    "AveragePool": (f"y = AveragePool <{WINDOWS}> (x)", {}),
    "LpPool": (f"y = LpPool <{WINDOWS}, p = 3> (x)", {}),
    "Resize-linear": ("y = Resize <mode = 'linear'> (x, , s)", {"s": scales(1, 1, 1.5, 2.5)}),
    "Resize-cubic": ("y = Resize <mode = 'cubic'> (x, , s)", {"s": scales(1, 1, 2, 0.6)}),
    "Resize-nearest": ("y = Resize(x, , s)", {"s": scales(1, 1, 2, 2)}),
    "Pad": ("y = Pad <mode = 'reflect'> (x, p)", {"p": whole(0, 1, 2, 1, 0, 0, 1, 2)}),
    "Slice": ("y = Slice(x, p, q, r, t)", {"p": whole(-1, 0), "q": whole(-9, 4), "r": whole(2, 3), "t": whole(-2, 1)}),
    "MatMul": ("y = MatMul(x, w)", {"w": wide(4, 6)}),
    "Einsum": ("y = Einsum <equation = 'nchw,cd->ndhw'> (x, w)", {"w": wide(3, 2)}),
    "reductions": (
        "p = ReduceL2 <axes = [3]> (x) q = ReduceLogSumExp <axes = [3]> (x) r = ReduceMax <axes = [1]> (p)"
        " s = Add(p, q) t = Mul(s, r) y = ReduceMean <axes = [0]> (t)",
        {},
    ),
    "places": (
        "p = Gather <axis = 1> (x, k)  q, r = Split <axis = 1> (p)  y = Concat <axis = 2> (q, r)",
        {"k": whole(2, 0)},
    ),
    "DepthToSpace": ("p = Concat <axis = 1> (x, x, x, x)  y = DepthToSpace <blocksize = 2> (p)", {}),
}
SEQUENCES: Mapping[str, tuple[str, Mapping[str, Array]]] = {
    "LSTM": ("y = LSTM <hidden_size = 2, direction = 'bidirectional'> (x, w, r, b)", recurrent(4, 2)),
    "LSTM-steps": ("y = LSTM <hidden_size = 2, clip = 0.9> (x, w, r, b)", recurrent(4)),
    "LSTM-lengths": ("y = LSTM <hidden_size = 2, direction = 'reverse'> (x, w, r, b, n)",
                     {**recurrent(4), "n": np.array([4, 2], np.int32)}),
    "GRU": ("y = GRU <hidden_size = 2, linear_before_reset = 1> (x, w, r, b)", recurrent(3)),
    "GRU-steps": ("y = GRU <hidden_size = 2, direction = 'reverse'> (x, w, r, b)", recurrent(3)),
    "RNN": ("y = RNN <hidden_size = 2> (x, w, r, b)", recurrent(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_gradients_of_pictures(name: str, tmp_path: Path) -> None:
    check(tmp_path, *PICTURES[name], shape=(2, 3, 5, 4))


@pytest.mark.parametrize("name", SEQUENCES)
def test_gradients_of_sequences(name: str, tmp_path: Path) -> None:
    check(tmp_path, *SEQUENCES[name], shape=(4, 2, 3))


def check(folder: Path, body: str, weights: Mapping[str, Array], shape: tuple[int, ...]) -> None:
    sizes = ", ".join(map(str, shape))
    inputs, outputs = f"double[{sizes}] x", f"double[{', '.join('abcdefg'[: len(shape) + ('LSTM' in body)])}] y"
    path = write(folder, body.replace("'", '"'), weights, inputs=inputs, outputs=outputs, opset=17)
    module = load(path)
    # Finite differences need the same statistics each time.
    module.freeze_statistics()
    x = torch.from_numpy(wide(*shape, seed=9)).requires_grad_()
    parameters = list(module.parameters())

    def function(given: Tensor, *_: Tensor) -> Tensor:
        made: Tensor = module(given)
        return made

    assert torch.autograd.gradcheck(function, (x, *parameters))


def test_what_is_quantised_lets_the_gradient_through_within_the_range(tmp_path: Path) -> None:
    body = "q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z)"
    path = write(tmp_path, body, {"s": np.array(0.1, np.float32), "z": np.array(0, np.int8)})
    x = torch.tensor([0.04, -0.26, 50.0, -50.0]).reshape(1, 1, 1, 4).requires_grad_()
    y = load(path)(x)
    y.sum().backward()
    torch.testing.assert_close(y.detach().flatten(), torch.tensor([0.0, -0.3, 12.7, -12.8]))
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [1, 1, 0, 0]


def test_batch_statistics_have_their_own_gradient(tmp_path: Path) -> None:
    path = write(tmp_path, "y = BatchNormalization(x, s, b, m, v)", {**CHANNELS, **STATISTICS},
                 inputs="double[2, 3, 2, 2] x", outputs="double[a, b, c, d] y")  # fmt: skip
    module = load(path)
    x = torch.from_numpy(wide(2, 3, 2, 2, seed=9)).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: module(given), (x,))
