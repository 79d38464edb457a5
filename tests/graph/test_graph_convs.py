"""Every conv is found with the geometry that the runtime sees, a name of its own, and the reason where it must stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx_models import build, convs, noise, opened, run

from convprof.analysis import analyze
from convprof.errors import ModelError
from convprof.graph import find_convs


@settings(max_examples=60)
@given(
    st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"]),
    st.tuples(st.integers(5, 12), st.integers(5, 12)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 2),
)
def test_automatic_padding_is_that_of_the_runtime(
    tmp_path_factory: pytest.TempPathFactory,
    mode: str,
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilation: int,
) -> None:
    if mode.startswith("SAME"):
        dilation = 1  # ONNX Runtime refuses both together
    model = build(f"g (float[1, 3, {size[0]}, {size[1]}] x) => (float[a, b, c, d] y) {{ y = Conv(x, w) }}")
    weight = noise(4, 3, *kernel)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    if any((k - 1) * dilation >= s for k, s in zip(kernel, size, strict=True)) and mode in ("VALID", "NOTSET"):
        return
    dilations = [dilation] * 2
    for name, value in (("auto_pad", mode), ("strides", strides), ("dilations", dilations)):
        model.graph.node[0].attribute.append(helper.make_attribute(name, value))
    (conv,) = find_convs(opened(model, tmp_path_factory.mktemp("pads")))
    assert conv.site is not None
    spec = conv.site.spec
    feeds = {"x": noise(1, 3, *size)}
    wanted = run(model, feeds)["y"]
    explicit = build(f"g (float[1, 3, {size[0]}, {size[1]}] x) => (float[a, b, c, d] y) {{ y = Conv(x, w) }}")
    explicit.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    for name, numbers in (("pads", spec.pads), ("strides", spec.strides), ("dilations", spec.dilations)):
        explicit.graph.node[0].attribute.append(helper.make_attribute(name, numbers))
    np.testing.assert_allclose(run(explicit, feeds)["y"], wanted, atol=1e-5)
    assert conv.site.output_size == wanted.shape[2:] == (conv.output_shape or ())[2:]


def test_geometry_from_attributes_and_defaults(tmp_path: Path) -> None:
    text = """g (float[2, 4, 9, 9] x) => (float[a, b, c, d] y) {
        z = Conv <pads = [0, 1, 2, 3], strides = [2, 1], dilations = [1, 2], group = 2, kernel_shape = [3, 3]> (x, w)
        y = Conv(z, v)
    }"""
    found = convs(opened(build(text, {"w": noise(6, 2, 3, 3), "v": noise(5, 6, 1, 2)}), tmp_path))
    first, second = found["z"].known_site, found["y"].known_site
    spec = first.spec
    assert (spec.pads, spec.strides, spec.dilations, spec.group) == ((0, 1, 2, 3), (2, 1), (1, 2), 2)
    assert (first.batch, first.input_size, first.output_size) == (2, (9, 9), (5, 9))
    spec = second.spec
    assert (spec.kernel_shape, spec.pads, spec.strides) == ((1, 2), (0, 0, 0, 0), (1, 1))


def test_names_are_the_nodes_own_where_unique(tmp_path: Path) -> None:
    text = """g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {
        a1 = Conv(x, w)  a2 = Conv(a1, v)  a3 = Conv(a2, v)  a4 = Relu(a3)  y = Conv(a4, v)
    }"""
    model = build(text, {"w": noise(4, 3, 3, 3), "v": noise(4, 4, 1, 1)})
    for node, name in zip(model.graph.node, ["own", "twice", "twice", "y", ""], strict=True):
        node.name = name
    names = [conv.name for conv in find_convs(opened(model, tmp_path))]
    assert names == ["own", "a2", "a3", "y_2"]


def test_names_in_branches_tell_where_they_are(tmp_path: Path) -> None:
    text = """g (float[1, 3, 8, 8] x, bool c) => (float[a, b, d, e] y) {
        y = If (c) <then_branch = p () => (float[a, b, d, e] u) { u = Conv(x, w) },
                    else_branch = q () => (float[a, b, d, e] u) { u = Conv(x, w) }>
        z = If (c) <then_branch = p () => (float[a, b, d, e] u) { u = Conv(x, w) },
                    else_branch = q () => (float[a, b, d, e] u) { u = local.f(x, w) }>
    }
    <domain: "local", opset_import: ["": 17]> f (i, k) => (o) { o = Conv(i, k) }"""
    found = find_convs(opened(build(text, {"w": noise(4, 3, 3, 3)}), tmp_path))
    assert [conv.name for conv in found] == [
        "If/then_branch/u",
        "If/else_branch/u",
        "If/then_branch/u_2",
        "function:local.f/o",
    ]
    assert {conv.refusal.code for conv in found if conv.refusal} == {"inside-subgraph"}


@pytest.mark.parametrize(
    ("weight", "group", "kind"),
    [((4, 3, 3, 3), 1, "standard"), ((4, 3, 1, 1), 1, "pointwise"), ((6, 1, 3, 3), 3, "depthwise")],
)
def test_kinds(tmp_path: Path, weight: tuple[int, ...], group: int, kind: str) -> None:
    text = f"g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {{ y = Conv <group = {group}> (x, w) }}"
    (report,) = analyze(opened(build(text, {"w": noise(*weight)}), tmp_path), max_rank=1).convs
    assert report.kind == kind


REFUSED = {
    "conv-transpose": (4, "y = ConvTranspose(x, w)", (4, 4, 3, 3)),
    "unknown-shape": (4, "y = Conv <group = 3> (x, w)", (4, 3, 3, 3)),
    "weights-not-constant": (4, "y = Conv(x, k)", (4, 4, 3, 3)),
    "depthwise": (4, "y = Conv <group = 4> (x, w)", (8, 1, 3, 3)),
    "grouped": (4, "y = Conv <group = 2> (x, w)", (6, 2, 3, 3)),
    "pointwise": (4, "y = Conv(x, w)", (4, 4, 1, 1)),
    "no-cheaper-form": (1, "y = Conv(x, w)", (1, 1, 1, 2)),
}


@pytest.mark.parametrize("code", REFUSED)
def test_refusals_have_codes_and_sentences(tmp_path: Path, code: str) -> None:
    channels, text, shape = REFUSED[code]
    inputs = f"float[1, {channels}, 8, 8] x, float[4, {channels}, 3, 3] k"
    model = build(f"g ({inputs}) => (float[a, b, c, d] y) {{ {text} }}")
    model.graph.initializer.append(numpy_helper.from_array(noise(*shape), "w"))
    (report,) = analyze(opened(model, tmp_path), max_rank=1).convs
    assert report.reason is not None
    assert not report.eligible
    assert report.reason.code == code
    assert len(report.reason.text.split()) > 3


def test_a_bias_from_the_inputs_is_refused(tmp_path: Path) -> None:
    text = "g (float[1, 3, 8, 8] x, float[4] b) => (float[a, c, d, e] y) { y = Conv(x, w, b) }"
    (conv,) = find_convs(opened(build(text, {"w": noise(4, 3, 3, 3)}), tmp_path))
    assert conv.refusal is not None
    assert conv.refusal.code == "weights-not-constant"


def test_integer_and_quantised_weights_are_refused(tmp_path: Path) -> None:
    text = "g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) { y = Conv(x, w) }"
    (conv,) = find_convs(opened(build(text, {"w": np.ones((4, 3, 3, 3), np.int32)}), tmp_path))
    assert conv.refusal is not None
    assert conv.refusal.code == "dtype"


def test_a_conv_between_integers_is_refused_and_one_with_stored_integers_only_is_not(tmp_path: Path) -> None:
    text = """g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {
        q = QuantizeLinear(x, s, z)  r = DequantizeLinear(q, s, z)  k = DequantizeLinear(i, s, n)
        h = Conv(r, k)  y = Conv(h, k)
    }"""
    scale = {"s": np.float32(0.1), "z": np.uint8(128), "n": np.int8(0), "i": np.ones((4, 4, 3, 3), np.int8)}
    inner, outer = find_convs(opened(build(text, {name: np.asarray(each) for name, each in scale.items()}), tmp_path))
    assert inner.refusal is not None
    assert inner.refusal.code == "quantized"
    assert outer.refusal is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_numbers_are_refused(tmp_path: Path, value: float) -> None:
    text = "g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) { y = Conv(x, w) }"
    weight = noise(4, 3, 3, 3)
    weight[1, 2, 0, 0] = value
    (report,) = analyze(opened(build(text, {"w": weight}), tmp_path), max_rank=1).convs
    assert report.reason is not None
    assert report.reason.code == "weights-not-finite"


def test_weights_that_would_not_fit_in_memory_are_refused(tmp_path: Path) -> None:
    text = """g (float[1, 64, 8, 8] x) => (float[a, b, c, d] y) {
        s = Constant <value_ints = [1099511627776, 64, 3, 3]> ()  w = ConstantOfShape(s)  y = Conv(x, w)
    }"""
    (conv,) = find_convs(opened(build(text), tmp_path))
    with pytest.raises(ModelError, match="fits in memory"):
        conv.kernel()
    (report,) = analyze(opened(build(text), tmp_path), max_rank=1).convs
    assert report.reason is not None
    assert report.reason.code == "weights-unreadable"


@pytest.mark.parametrize(
    "attributes",
    [
        "strides = [0, 1]",
        "strides = [1]",
        "dilations = [0, 0]",
        "pads = [1, 1]",
        "pads = [-1, 0, 0, 0]",
        "kernel_shape = [5, 5]",
        "group = 0",
        "group = -3",
        "group = 7",
        'auto_pad = "SAME_UPPER", strides = [0, 0]',
        'auto_pad = "NONSENSE"',
    ],
)
def test_attributes_that_contradict_each_other(tmp_path: Path, attributes: str) -> None:
    text = f"g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) {{ y = Conv <{attributes}> (x, w) }}"
    (conv,) = find_convs(opened(build(text, {"w": noise(4, 3, 3, 3)}), tmp_path))
    assert conv.site is None
    assert conv.refusal is not None
    assert conv.refusal.code == "unknown-shape"
    with pytest.raises(ModelError, match="--input-shape"):
        _ = conv.known_site


def test_a_conv_of_another_domain_is_none_of_ours(tmp_path: Path) -> None:
    model = build("g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) { y = local.Conv(x, w) }", {"w": noise(4, 3, 3, 3)})
    assert isinstance(model, onnx.ModelProto)
    assert find_convs(opened(model, tmp_path)) == ()
