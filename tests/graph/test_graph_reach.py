"""Which convs see what others make: reachability, not the order in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx_models import build, noise, opened

from convprof.graph import Model, convs_behind

BRANCHES = """g (float[1, 4, 8, 8] x, bool flag) => (float[1, 4, 8, 8] y, float[1, 4, 8, 8] z) {
    a = C(x, w1)  r = Relu(a)
    beside = C(x, w2)  also = Relu(beside)
    b = C(r, w3)
    late = C(also, w4)
    join = Add(b, late)
    c = C(join, w5)
    y = If(flag) <then_branch = t () => (float[1, 4, 8, 8] i) { i = Add(c, c) },
                  else_branch = e () => (float[1, 4, 8, 8] j) { j = C(late, w6) }>
    z = C(y, w7)
}"""


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> Model:
    text = BRANCHES.replace("C(", "Conv <pads = [1, 1, 1, 1]> (")
    return opened(build(text, {f"w{number}": noise(4, 4, 3, 3) for number in range(1, 8)}), tmp_path)


@pytest.mark.parametrize(
    ("layers", "behind"),
    [
        ({"a"}, {"b", "c", "z"}),
        ({"beside"}, {"late", "c", "z"}),
        ({"b"}, {"c", "z"}),
        ({"late", "b"}, {"c", "z"}),
        ({"c"}, {"z"}),
        ({"a", "beside"}, {"b", "late", "c", "z"}),
        ({"z"}, set()),
        (set(), set()),
        ({"nothing"}, set()),
    ],
)
def test_behind_is_what_depends_on_a_layer(model: Model, layers: set[str], behind: set[str]) -> None:
    assert convs_behind(model, layers) == behind


def test_convs_that_share_their_weights_are_left_alone(tmp_path: Path) -> None:
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 2, 2] y) {
        a = Conv(x, v)  b = Conv(a, w)  y = Conv(b, w)
    }"""
    model = opened(build(text, {"v": noise(4, 4, 3, 3), "w": noise(4, 4, 3, 3)}), tmp_path)
    assert convs_behind(model, {"a"}) == set()
