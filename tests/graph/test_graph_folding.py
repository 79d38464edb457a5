"""Folding changes no output, and is left alone where it would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_models import Array, build, convs, noise, opened, run

from convprof.graph import Model, find_convs, fold_batch_norm, serialized

PARTS = ("gamma", "beta", "mean", "variance")


def norm(prefix: str = "") -> str:
    return ", ".join(prefix + part for part in PARTS)


def statistics(channels: int, prefix: str = "", dtype: str = "float32") -> dict[str, Array]:
    values = {prefix + part: noise(channels, seed=i, dtype=dtype) for i, part in enumerate(PARTS)}
    values[f"{prefix}variance"] = np.abs(values[f"{prefix}variance"]) + np.asarray(0.1, dtype)
    return values


def ops(model: Model) -> list[str]:
    return [node.op_type for node in model.program.graph]


def folded(text: str, weights: dict[str, Array], folder: Path, *, ir: int = 8) -> tuple[Model, Model]:
    model = opened(build(text, weights, ir=ir), folder)
    return model, fold_batch_norm(model, set(convs(model)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("epsilon", ["", "<epsilon = 0.25>"])
@pytest.mark.parametrize("ir", [3, 8])
def test_the_folded_model_computes_the_same(tmp_path: Path, bias: bool, epsilon: str, ir: int) -> None:
    text = f"""g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {{
        t = Conv(x, w{", k" if bias else ""})  n = BatchNormalization {epsilon} (t, {norm()})  y = Relu(n)
    }}"""
    weights = {"w": noise(4, 3, 3, 3), **({"k": noise(4)} if bias else {}), **statistics(4)}
    before, after = folded(text, weights, tmp_path, ir=ir)
    assert ops(before) == ["Conv", "BatchNormalization", "Relu"]
    assert ops(after) == ["Conv", "Relu"]
    assert not set(weights) & set(after.program.graph.initializers)
    assert {value.name for value in after.program.graph.inputs} == {"x"} | (
        set(after.program.graph.initializers) if ir == 3 else set()
    )
    feeds = {"x": noise(1, 3, 8, 8)}
    wanted, got = (run(serialized(model.program), feeds)["y"] for model in (before, after))
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_folding_keeps_the_type(tmp_path: Path, dtype: str) -> None:
    kind = {"float16": "float16", "float64": "double"}[dtype]
    text = f"g ({kind}[1, 3, 8] x) => ({kind}[a, b, c] y) {{ t = Conv(x, w)  y = BatchNormalization(t, {norm()}) }}"
    before, after = folded(text, {"w": noise(4, 3, 3, dtype=dtype), **statistics(4, dtype=dtype)}, tmp_path)
    (conv,) = find_convs(after)
    assert conv.dtype == conv.kernel().dtype.name == dtype
    feeds = {"x": noise(1, 3, 8, dtype=dtype)}
    wanted, got = (run(serialized(model.program), feeds)["y"] for model in (before, after))
    np.testing.assert_allclose(got, wanted, atol=1e-2 if dtype == "float16" else 1e-12)


def test_a_folded_conv_can_still_be_replaced(tmp_path: Path) -> None:
    text = f"g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {{ t = Conv(x, w)  y = BatchNormalization(t, {norm()}) }}"
    _, after = folded(text, {"w": noise(4, 3, 3, 3), **statistics(4)}, tmp_path)
    (conv,) = find_convs(after)
    assert conv.refusal is None
    assert (conv.name, conv.output_name) == ("t", "y")
    assert conv.kernel().shape == (4, 3, 3, 3)


def test_layers_keep_their_names(tmp_path: Path) -> None:
    """Names come from outputs where nodes have none, and folding takes those away."""
    text = f"""g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {{
        t = Conv(x, w)  n = BatchNormalization(t, {norm()})  u = Conv(n, w)  m = BatchNormalization(u, {norm()})
        y = Conv(m, w)
    }}"""
    model = build(text, {"w": noise(4, 4, 3, 3), **statistics(4)})
    for index in (2, 4):
        model.graph.node[index].name = "twice"
    before = opened(model, tmp_path)
    assert list(convs(before)) == ["t", "u", "y"]
    after = fold_batch_norm(before, {"t", "u"})
    assert list(convs(after)) == ["t", "u", "y"]
    assert list(convs(before)) == ["t", "u", "y"]


def test_only_the_layers_asked_for_are_folded(tmp_path: Path) -> None:
    text = f"""g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {{
        t = Conv(x, w)  n = BatchNormalization(t, {norm()})  u = Conv(n, v)  y = BatchNormalization(u, {norm()})
    }}"""
    model = opened(build(text, {"w": noise(4, 3, 3, 3), "v": noise(4, 4, 3, 3), **statistics(4)}), tmp_path)
    after = fold_batch_norm(model, {"u"})
    assert ops(after) == ["Conv", "BatchNormalization", "Conv"]
    assert {"gamma", "w"} <= set(after.program.graph.initializers)
    assert "v" not in after.program.graph.initializers
    feeds = {"x": noise(1, 3, 8, 8)}
    wanted, got = (run(serialized(m.program), feeds)["y"] for m in (model, after))
    np.testing.assert_allclose(got, wanted, atol=1e-5)


LEFT_ALONE = {
    "the output is read twice": ("n = BatchNormalization(t, {norm})  y = Add(n, t)", "y"),
    "the output is put out": ("y = BatchNormalization(t, {norm})", "t"),
    "training mode": ("y, rm, rv = BatchNormalization <training_mode = 1> (t, {norm})", "y"),
    "another operator": ("y = Mul(t, s)", "y"),
    "statistics that the model computes": ("a = ReduceMean <axes = [0, 2, 3], keepdims = 0> (t0)"
                                           "  y = BatchNormalization(t, gamma, beta, mean, a)", "y"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_what_cannot_be_folded_stays(tmp_path: Path, case: str) -> None:
    tail, output = LEFT_ALONE[case]
    head = f"g (float[1, 3, 8, 8] x) => (float[a, b, c, d] {output})"
    text = f"{head} {{ t0 = Conv(x, w)  t = Conv(x, w)  {tail.format(norm=norm())} }}"
    if "t0" not in tail:
        text = text.replace("t0 = Conv(x, w)  ", "")
    model = opened(build(text, {"w": noise(4, 3, 3, 3), "s": noise(1, 4, 1, 1), **statistics(4)}), tmp_path)
    after = fold_batch_norm(model, {"t"})
    assert ops(after) == ops(model)


@pytest.mark.parametrize("spoilt", [{"gamma": noise(1)}, {"variance": -np.ones(4, np.float32)}])
def test_statistics_that_make_no_sense_are_left_to_the_runtime(tmp_path: Path, spoilt: dict[str, Array]) -> None:
    text = f"g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {{ t = Conv(x, w)  y = BatchNormalization(t, {norm()}) }}"
    _, after = folded(text, {"w": noise(4, 3, 3, 3), **statistics(4), **spoilt}, tmp_path)
    assert ops(after) == ["Conv", "BatchNormalization"]


def test_weights_that_others_read_stay_too(tmp_path: Path) -> None:
    text = f"""g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y, float[e, f, h, i] z) {{
        t = Conv(x, w)  y = BatchNormalization(t, {norm()})  z = Conv(x, w, beta)
    }}"""
    model = opened(build(text, {"w": noise(4, 3, 3, 3), **statistics(4)}), tmp_path)
    after = fold_batch_norm(model, {"t"})
    assert ops(after) == ["Conv", "Conv"]
    assert {"w", "beta"} <= set(after.program.graph.initializers)
    feeds = {"x": noise(1, 3, 8, 8)}
    before_values, after_values = (run(serialized(m.program), feeds) for m in (model, after))
    for name in ("y", "z"):
        np.testing.assert_allclose(after_values[name], before_values[name], atol=1e-5)


def test_the_given_model_stays_as_it_is(tmp_path: Path) -> None:
    text = f"g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {{ t = Conv(x, w)  y = BatchNormalization(t, {norm()}) }}"
    model = opened(build(text, {"w": noise(4, 3, 3, 3), **statistics(4)}), tmp_path)
    before = serialized(model.program)
    fold_batch_norm(model, {"t"})
    assert serialized(model.program) == before
