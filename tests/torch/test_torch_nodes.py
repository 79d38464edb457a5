"""Every operator against the cases that the onnx package has for it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase

from convprof.torch import load
from convprof.torch.ops import BRANCHING, OPS
from convprof.torch.types import to_torch

Cases = Mapping[str, Sequence[TestCase]]

# Inputs that decide shapes, or which branch is taken: they have to be constants of the graph.
KNOWN = {"Range": (0, 1, 2), "If": (0,), "NonZero": (0,)}
EXCLUDED = {
    "test_maxpool_with_argmax_2d_precomputed_strides": "places of maxima in column-major order are refused",
    "test_resize_downsample_scales_cubic_align_corners": "ONNX Runtime takes the rounded size, and so does the module",
    "test_resize_downsample_scales_linear_align_corners": "as above",
    "test_training_dropout": "random",
    "test_training_dropout_default": "random",
    "test_training_dropout_default_mask": "random",
    "test_training_dropout_mask": "random",
    "test_bitwise_not_3d": "torch has no such operation on uint16",
}
# Types that torch has not, or cannot compute with.
REFUSED_TYPES = frozenset(
    (
        *("uint16", "uint32", "uint64", "e4m3fn", "e5m2", "e8m0", "float4e2m1"),
        *("int2", "uint2", "int4", "uint4", "string", "opt", "seq"),
    )
)
NUMBERS = {"FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16"}
WITHOUT_CASES = {"GlobalLpPool"}


@pytest.fixture(scope="module")
def cases() -> Cases:
    found: dict[str, list[TestCase]] = defaultdict(list)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            nodes = model_of(case).graph.node
            if len(nodes) == 1 and not is_excluded(case.name):
                found[nodes[0].op_type].append(case)
    return found


def model_of(case: TestCase) -> onnx.ModelProto:
    assert case.model is not None
    return case.model


def is_excluded(name: str) -> bool:
    if name in EXCLUDED or "_expanded" in name:
        return True
    if name.startswith(("test_cast_", "test_castlike_")):
        return not NUMBERS.issuperset(part for part in name.split("_") if part.isupper())
    return not REFUSED_TYPES.isdisjoint(name.split("_"))


@pytest.mark.parametrize("op_type", sorted({name for _, name in (*OPS, BRANCHING)} - WITHOUT_CASES))
def test_an_operator_computes_what_onnx_says(op_type: str, cases: Cases, tmp_path: Path) -> None:
    assert cases[op_type]
    for case in cases[op_type]:
        for inputs, outputs in case.data_sets or ():
            check(case, [array_of(each) for each in inputs], [array_of(each) for each in outputs], tmp_path)


def check(case: TestCase, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]], folder: Path) -> None:
    model = model_of(case)
    feeds = dict(zip([value.name for value in model.graph.input], inputs, strict=True))
    path = folder / "model.onnx"
    path.write_bytes(with_known_inputs(model, feeds).SerializeToString())
    made = load(path).eval()(*(to_torch(feed) for feed in feeds.values()))
    for found, wanted in zip(made if isinstance(made, tuple) else (made,), outputs, strict=True):
        expected = to_torch(wanted)
        assert (tuple(found.shape), case.name) == (tuple(expected.shape), case.name)
        # What is quantised stays in floating point, so that a gradient can pass.
        assert found.dtype == expected.dtype or model.graph.node[0].op_type == "QuantizeLinear", case.name
        wide = found.detach().double().numpy(), expected.double().numpy()
        np.testing.assert_allclose(*wide, rtol=case.rtol, atol=case.atol, err_msg=case.name)


def with_known_inputs(model: onnx.ModelProto, feeds: dict[str, NDArray[Any]]) -> onnx.ModelProto:
    """The model with those inputs as initialisers, which are taken out of `feeds`, that must not vary."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    node = made.graph.node[0]
    places = KNOWN.get(node.op_type) or OPS["", node.op_type].known
    for name in {node.input[place] for place in places if place < len(node.input)} & set(feeds):
        made.graph.initializer.append(numpy_helper.from_array(feeds.pop(name), name))
        made.graph.input.remove(next(value for value in made.graph.input if value.name == name))
    return made


def array_of(value: object) -> NDArray[Any]:
    if isinstance(value, onnx.TensorProto):
        array = numpy_helper.to_array(value)
        is_bfloat16 = value.data_type == onnx.TensorProto.BFLOAT16
        return array.astype(ml_dtypes.bfloat16) if is_bfloat16 else array
    return np.asarray(value)
