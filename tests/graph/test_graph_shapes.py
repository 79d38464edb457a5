"""Sizes come from the options, else the file, else the data; what nobody knows is asked for in words to copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import Array, build, convs, noise, opened

from convprof.cli.reading import read_shapes
from convprof.errors import ModelError, UsageError
from convprof.execution import load, settle
from convprof.graph import Model, measure_work

NET = "g (float[N, 3, H, W] x) => (float[a, b, c, d] y) { y = Conv <pads = [1, 1, 1, 1]> (x, w) }"


def net(weights: dict[str, Array] | None = None) -> onnx.ModelProto:
    return build(NET, weights or {"w": noise(4, 3, 3, 3)})


def codes(model: Model) -> list[str]:
    return [notice.code for notice in model.notices]


def test_shapes_given_by_the_user_win(tmp_path: Path) -> None:
    model = opened(net(), tmp_path, shapes={"x": (2, 3, 8, 9)}, fallback={"x": (1, 3, 5, 5)})
    assert model.inputs[0].shape == (2, 3, 8, 9)
    assert model.shapes["y"] == (2, 4, 8, 9)
    assert model.notices == ()


def test_the_only_input_needs_no_name(tmp_path: Path) -> None:
    assert opened(net(), tmp_path, shapes={"": (1, 3, 8, 8)}).shapes["y"] == (1, 4, 8, 8)


def test_symbols_are_bound_by_name(tmp_path: Path) -> None:
    model = opened(net(), tmp_path, dims={"H": 8, "W": 16})
    assert model.inputs[0].shape == (1, 3, 8, 16)
    assert codes(model) == ["batch-set-to-1"]
    assert "N" in model.notices[0].text


def test_data_settle_what_is_left_open(tmp_path: Path) -> None:
    model = opened(net(), tmp_path, dims={"W": 16}, fallback={"x": (1, 3, 5, 6)})
    assert model.inputs[0].shape == (1, 3, 5, 16)


def test_a_symbol_settled_for_one_input_holds_for_all(tmp_path: Path) -> None:
    text = "g (float[N, S] a, float[N, S] b) => (float[N, S] y) { y = Add(a, b) }"
    model = opened(build(text), tmp_path, shapes={"a": (4, 7)})
    assert [spec.shape for spec in model.inputs] == [(4, 7), (4, 7)]


@pytest.mark.parametrize("dims", [{}, {"H": 8}])
def test_an_open_size_is_an_error_that_names_the_option(tmp_path: Path, dims: dict[str, int]) -> None:
    missing = "W" if dims else "H"
    with pytest.raises(ModelError) as caught:
        opened(net(), tmp_path, dims=dims)
    assert "N,3,H,W" in caught.value.why
    assert f"--dim {missing}=" in caught.value.remedy
    assert "--input-shape x:" in caught.value.remedy


def test_a_nameless_size_is_asked_for_by_shape(tmp_path: Path) -> None:
    model = net()
    model.graph.input[0].type.tensor_type.shape.dim[2].ClearField("dim_param")
    with pytest.raises(ModelError, match="N,3,\\?,W") as caught:
        opened(model, tmp_path)
    assert "--input-shape x:" in caught.value.remedy


def test_an_input_without_a_shape_is_asked_for(tmp_path: Path) -> None:
    model = net()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelError, match="no shape") as caught:
        opened(model, tmp_path)
    assert "--input-shape x:" in caught.value.remedy
    assert opened(model, tmp_path, shapes={"x": (1, 3, 8, 8)}).shapes["y"] == (1, 4, 8, 8)
    assert opened(model, tmp_path, fallback={"x": (1, 3, 7, 7)}).shapes["y"] == (1, 4, 7, 7)


@pytest.mark.parametrize(
    ("shapes", "dims", "why"),
    [
        ({"z": (1, 3, 8, 8)}, {}, "no input 'z'"),
        ({"x": (1, 3, 8)}, {}, "does not fit input 'x'"),
        ({"x": (1, 4, 8, 8)}, {}, "does not fit input 'x'"),
        ({}, {"Z": 8}, "no symbolic size 'Z'"),
    ],
)
def test_options_that_do_not_fit_the_model(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], dims: dict[str, int], why: str
) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        opened(net(), tmp_path, shapes=shapes, dims=dims)
    assert caught.value.remedy


def test_a_fixed_batch_cannot_be_changed(tmp_path: Path) -> None:
    model = build("g (float[4, 3, 8, 8] x) => (float[4, 2] y) { y = Flatten(x) }")
    with pytest.raises(UsageError, match="does not fit"):
        opened(model, tmp_path, shapes={"x": (1, 3, 8, 8)})


def test_a_nameless_shape_needs_a_single_input(tmp_path: Path) -> None:
    text = "g (float[N, S] a, float[N, S] b) => (float[N, S] y) { y = Add(a, b) }"
    with pytest.raises(UsageError, match="a, b"):
        opened(build(text), tmp_path, shapes={"": (1, 2)})


def test_names_may_hold_colons(tmp_path: Path) -> None:
    model = net()
    model.graph.input[0].name = model.graph.node[0].input[0] = "a:b:1"
    shapes = read_shapes(("a:b:1:1,3,8x8",))
    assert opened(model, tmp_path, shapes=shapes).inputs[0].shape == (1, 3, 8, 8)


def test_what_an_exporter_wrote_about_inner_values_is_not_believed(tmp_path: Path) -> None:
    model = build("g (float[1, 3, 8, 8] x) => (float[9, 9] y) { z = Conv(x, w) y = Relu(z) }", {"w": noise(4, 3, 3, 3)})
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("z", 1, [7, 7, 7, 7]))
    found = opened(model, tmp_path)
    assert found.shapes["z"] == found.shapes["y"] == (1, 4, 6, 6)


def test_initialisers_listed_as_inputs_are_no_inputs(tmp_path: Path) -> None:
    text = "g (float[1, 3, 8, 8] x) => (float[1, 4, 6, 6] y) { y = Conv(x, w) }"
    model = opened(build(text, {"w": noise(4, 3, 3, 3)}, ir=3), tmp_path)
    assert [spec.name for spec in model.inputs] == ["x"]


# Work as a polynomial in the model's own symbols


def dncnn(width: int = 64, depth: int = 17) -> onnx.ModelProto:
    """The denoiser of Zhang et al. 2017: depth convs at one size, a residual at the end."""
    lines = ["h0 = Conv <pads = [1, 1, 1, 1]> (x, w0)  r0 = Relu(h0)"]
    weights = {"w0": noise(width, 1, 3, 3), f"w{depth - 1}": noise(1, width, 3, 3)}
    for i in range(1, depth - 1):
        lines.append(f"h{i} = Conv <pads = [1, 1, 1, 1]> (r{i - 1}, w{i})  r{i} = Relu(h{i})")
        weights[f"w{i}"] = noise(width, width, 3, 3)
    last = f"n = Conv <pads = [1, 1, 1, 1]> (r{depth - 2}, w{depth - 1})  y = Sub(x, n)"
    return build(f"g (float[N, 1, H, W] x) => (float[N, 1, H, W] y) {{ {' '.join([*lines, last])} }}", weights)


def test_work_is_a_polynomial_in_the_symbols(tmp_path: Path) -> None:
    work = measure_work(opened(dncnn(), tmp_path, dims={"H": 10, "W": 20}))
    assert work.macs_formula == "554112*H*N*W"
    assert work.macs == 554112 * 10 * 20


def test_a_model_without_symbols_has_a_number_for_a_formula(tmp_path: Path) -> None:
    text = "g (float[2, 3, 8, 8] x) => (float[a, b, c, d] y) { y = Conv(x, w) }"
    work = measure_work(opened(build(text, {"w": noise(4, 3, 3, 3)}), tmp_path))
    assert work.macs_formula == str(work.macs) == str(2 * 4 * 6 * 6 * 27)


def test_strides_and_sums_stand_in_the_formula(tmp_path: Path) -> None:
    text = """g (float[N, 3, H, 8] x) => (float[a, b, c, d] y) {
        z = Conv <pads = [1, 1, 1, 1]> (x, w)  p = GlobalAveragePool(z)  f = Flatten(p)  y = Gemm(f, k)
    }"""
    model = opened(build(text, {"w": noise(4, 3, 3, 3), "k": noise(4, 5)}), tmp_path, dims={"H": 6, "N": 2})
    work = measure_work(model)
    assert work.macs_formula == "4*N*(216*H+5)"
    assert work.macs == 864 * 6 * 2 + 20 * 2


def test_a_formula_that_would_need_other_symbols_is_not_known(tmp_path: Path) -> None:
    text = """g (float[N, 3, 8, 8] x, int64[2] s) => (float[a, b] y) { z = Reshape(x, s)  y = MatMul(z, k) }"""
    model = opened(build(text, {"k": noise(192, 5)}), tmp_path)
    assert measure_work(model).macs_formula is None


# Shapes that inference cannot know are taken from one run


def test_shapes_behind_an_operator_of_another_domain_come_from_a_run(tmp_path: Path) -> None:
    text = """g (float[N, 3, 8, 8] x) => (float[a, b, c, d] y) {
        z = com.microsoft.GridSample (x, grid)  t = Conv(z, w)  y = Conv(t, v)
    }"""
    model = opened(build(text, {"w": noise(4, 3, 3, 3), "v": noise(4, 4, 3, 3), "grid": noise(1, 8, 8, 2)}), tmp_path)
    assert model.shapes["y"] == (1, 4, 4, 4)
    assert "shapes-from-a-run" in codes(model)
    assert {conv.name: conv.refusal for conv in convs(model).values()} == {"t": None, "y": None}
    work = measure_work(model)
    assert work.macs == 36 * 4 * 27 + 16 * 4 * 36
    assert [(op.op_type, op.domain, op.count) for op in work.uncounted] == [("GridSample", "com.microsoft", 1)]


def test_shapes_that_depend_on_values_come_from_a_run(tmp_path: Path) -> None:
    text = """g (float[1, 3, 8, 8] x) => (float[a, b] y) {
        n = NonZero(x)  m = ReduceMax <keepdims = 0> (n)  u = Cast <to = 7> (m)  z = Sub(u, u)
        d = Add(z, eight)  s = Concat <axis = 0> (one, three, d, d)  r = Reshape(x, s)  c = Conv(r, w)  y = Flatten(c)
    }"""
    sizes = {"one": np.array([1]), "three": np.array([3]), "eight": np.array([8])}
    model = opened(build(text, {"w": noise(4, 3, 3, 3), **sizes}), tmp_path)
    assert model.shapes["c"] == (1, 4, 6, 6)


def test_a_model_that_does_not_run_says_so_and_is_still_described(tmp_path: Path) -> None:
    text = "g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) { z = local.mystery(x)  y = Conv(z, w) }"
    model = opened(build(text, {"w": noise(4, 3, 3, 3)}), tmp_path)
    assert codes(model) == ["shapes-unknown"]
    (conv,) = convs(model).values()
    assert conv.refusal is not None
    assert conv.refusal.code == "unknown-shape"
    uncounted = measure_work(model).uncounted
    assert [(op.op_type, op.domain) for op in uncounted] == [("Conv", ""), ("mystery", "local")]


def test_one_name_for_different_values_of_sibling_branches_has_no_shape(tmp_path: Path) -> None:
    text = """g (float[1, 3, 8, 8] x, bool c) => (float[1, d, e, f] y) {
        y = If (c) <then_branch = p () => (float[1, d, e, f] u) { t = Conv(x, w)  u = Relu(t) },
                    else_branch = q () => (float[1, d, e, f] v) { t = Conv(x, k)  v = Relu(t) }>
    }"""
    model = opened(build(text, {"w": noise(4, 3, 3, 3), "k": noise(4, 3, 5, 5)}), tmp_path)
    assert "t" not in model.shapes
    assert [(op.op_type, op.count) for op in measure_work(model).uncounted] == [("Conv", 2)]
    assert len(convs(model)) == 2


def test_settling_leaves_the_program_alone(tmp_path: Path) -> None:
    model = net()
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    loaded = load(path)
    first = settle(loaded, {"x": (1, 3, 8, 8)}, {}, {})
    second = settle(loaded, {"x": (1, 3, 16, 16)}, {}, {})
    assert (first.shapes["y"], second.shapes["y"]) == ((1, 4, 8, 8), (1, 4, 16, 16))
    assert loaded.inputs[0].shape == (None, 3, None, None)
