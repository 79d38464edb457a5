from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import parser

from convprof.errors import ConvprofError, DataError, ModelError, UsageError
from convprof.records.fidelity import Fidelity
from convprof.records.files import decode, encode
from convprof.runtime import Session, open_session
from convprof.verification import compare

Values = NDArray[Any]

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(10, 4)).astype(np.float32)
CLASSES = X.argmax(axis=1)
PICTURES = RANDOM.random((6, 1, 4, 4)).astype(np.float32)


def session(body: str, shape: str = "N, 4", outputs: str = "float[N, 4] y", what: str = "net.onnx") -> Session:
    """A model of one input x."""
    text = f'<ir_version: 9, opset_import: ["": 17]> g (float[{shape}] x) => ({outputs}) {{ {body} }}'
    return open_session(parser.parse_model(text).SerializeToString(), what=what)


SAME = session("y = Identity(x)")
DOUBLE = session("y = Add(x, x)")
NEGATIVE = session("y = Neg(x)")
ROOT = session("y = Sqrt(x)", what="root.onnx")  # NaN where x is negative
PICTURE = "N, 1, 4, 4", "float[N, 1, 4, 4] y"


def batches(x: Values, size: int = 3) -> Iterator[dict[str, Values]]:
    return ({"x": x[start : start + size]} for start in range(0, len(x), size))


def verify(before: Session, after: Session, x: Values = X, **arguments: Any) -> Fidelity:
    given = {"labels": None, "metric": None, "total": len(x)} | arguments
    return compare(before, after, batches(x), **given)


def half(outputs: dict[str, Values], labels: Values | None) -> Values:
    """A metric of the user's: one score a sample."""
    return np.full(len(outputs["y"]), 0.5)


def of_the_batch(outputs: dict[str, Values], labels: Values | None) -> float:
    return float(outputs["y"].sum())


def wrong_count(outputs: dict[str, Values], labels: Values | None) -> Values:
    return np.zeros(99)


def broken(outputs: dict[str, Values], labels: Values | None) -> Values:
    raise KeyError("logits")


def test_equal_models_differ_in_nothing() -> None:
    found = verify(SAME, SAME)
    output = found.outputs[0]
    assert found.samples == 10
    assert found.metric is None
    assert (output.name, output.max_abs, output.relative_l2, output.sqnr_db) == ("y", 0, 0, None)
    assert (output.top1_agreement, output.finite) == (1, True)


def test_figures_do_not_depend_on_the_batches() -> None:
    after = session("k = Constant <value = float {1.001}> () y = Mul(x, k)")
    found = [
        compare(SAME, after, batches(X, size), labels=None, metric=None, total=10).outputs[0] for size in (1, 4, 10)
    ]
    for output in found:
        assert output.relative_l2 == pytest.approx(0.001, rel=1e-3)
        assert output.sqnr_db == pytest.approx(60, abs=0.01)
        assert output.max_abs == pytest.approx(0.001 * np.abs(X).max(), rel=1e-3)


def test_an_original_of_zeros_has_no_relative_error() -> None:
    output = verify(session("y = Sub(x, x)"), SAME).outputs[0]
    assert output.max_abs == pytest.approx(np.abs(X).max())
    assert (output.relative_l2, output.sqnr_db) == (None, None)


def test_what_is_not_finite_is_said_and_not_printed() -> None:
    found = verify(SAME, ROOT, labels=CLASSES)
    output = found.outputs[0]
    assert not output.finite
    assert (output.max_abs, output.relative_l2, output.sqnr_db) == (None, None, None)
    assert output.top1_agreement == (X >= 0).all(axis=1).mean()
    assert found.metric is not None
    assert found.metric.after == output.top1_agreement
    assert decode(encode(found).encode(), Fidelity, "fidelity") == found


def test_infinity_is_not_finite_either() -> None:
    found = verify(SAME, session("z = Sub(x, x) y = Div(x, z)"))
    assert not found.outputs[0].finite
    assert found.outputs[0].max_abs is None


@pytest.mark.parametrize(
    ("body", "outputs", "classifies"),
    [
        ("y = Identity(x)", "float[N, 4] y", True),
        ("a = Constant <value_ints = [-1, 4, 1, 1]> () y = Reshape(x, a)", "float[N, 4, 1, 1] y", True),
        ("a = Constant <value_ints = [-1, 2, 2]> () y = Reshape(x, a)", "float[N, 2, 2] y", False),
        ("y = ReduceSum <keepdims = 0> (x)", "float y", False),
        ("y = ArgMax <axis = 1> (x)", "int64[N, 1] y", False),
        ("y = IsNaN(x)", "bool[N, 4] y", False),
        ("a = Constant <value_ints = [1]> () y = ReduceSum(x, a)", "float[N, 1] y", False),
    ],
)
def test_agreement_is_for_class_scores(body: str, outputs: str, classifies: bool) -> None:
    model = session(body, outputs=outputs)
    output = verify(model, model).outputs[0]
    assert output.top1_agreement == (1 if classifies else None)
    assert (output.max_abs, output.finite) == (0, True)


def test_strings_have_no_figures() -> None:
    model = session("y = Cast <to = 8> (x)", outputs="string[N, 4] y")
    output = verify(model, model).outputs[0]
    assert (output.max_abs, output.relative_l2, output.finite) == (None, None, True)


def test_outputs_are_matched_by_name() -> None:
    before = session("y = Identity(x) z = Neg(x)", outputs="float[N, 4] y, float[N, 4] z")
    after = session("y = Identity(x) z = Neg(x)", outputs="float[N, 4] z, float[N, 4] y")
    assert [(output.name, output.max_abs) for output in verify(before, after).outputs] == [("y", 0), ("z", 0)]


def test_top1_counts_the_samples_that_are_right() -> None:
    labels = CLASSES.copy()
    labels[0] = (labels[0] + 1) % 4
    change = verify(SAME, NEGATIVE, labels=labels).metric
    assert change is not None
    assert (change.name, change.before, change.level) == ("top1", 0.9, 0.95)
    assert change.after == (X.argmin(axis=1) == labels).mean()
    assert change.difference == pytest.approx(change.after - change.before)
    assert change.interval is not None
    assert change.interval[0] < change.difference < change.interval[1] < 0


def test_models_that_agree_differ_by_nothing_within_the_few_samples() -> None:
    change = verify(SAME, DOUBLE, labels=CLASSES).metric
    assert change is not None
    assert change.interval is not None
    assert (change.before, change.after, change.difference) == (1, 1, 0)
    assert change.interval[0] < 0 < change.interval[1]


def test_agreement_needs_no_labels() -> None:
    change = verify(SAME, NEGATIVE, metric="agreement").metric
    assert change is not None
    assert (change.before, change.after, change.difference) == (1, 0, -1)


@pytest.mark.parametrize(("peak", "scale"), [(1.0, 1.0), (255.0, 255.0)])
def test_psnr_is_averaged_over_the_samples(peak: float, scale: float) -> None:
    pictures = PICTURES * np.float32(scale)
    errors = scale * np.array([0.1, 0.01] * 3).reshape(6, 1, 1, 1)
    same, clean = session("y = Identity(x)", *PICTURE), session("y = Identity(x)", *PICTURE)
    change = verify(same, clean, pictures, labels=pictures + errors, peak=peak).metric
    assert change is not None
    assert (change.name, change.difference) == ("psnr", 0)
    assert change.before == pytest.approx(30, abs=0.001)


def test_psnr_of_equal_pictures_stays_at_100_db() -> None:
    same, half_of = session("y = Identity(x)", *PICTURE), session("z = Sub(x, x) y = Add(z, z)", *PICTURE)
    change = verify(same, half_of, PICTURES, labels=PICTURES, metric="psnr").metric
    assert change is not None
    assert change.before == pytest.approx(100)
    expected = -10 * np.log10(np.square(PICTURES.astype(np.float64)).mean(axis=(1, 2, 3))).mean()
    assert change.after == pytest.approx(expected)


def test_a_score_that_is_not_finite_leaves_a_notice() -> None:
    same, root = session("y = Identity(x)", *PICTURE), session("z = Neg(x) y = Sqrt(z)", *PICTURE)
    found = verify(same, root, PICTURES, labels=PICTURES)
    assert found.metric is None
    assert [notice.code for notice in found.notices] == ["metric-not-finite"]


def test_a_metric_of_the_users_gives_one_score_a_sample() -> None:
    change = verify(SAME, SAME, metric=f"{__name__}:half").metric
    assert change is not None
    assert (change.name, change.before, change.after, change.interval) == (f"{__name__}:half", 0.5, 0.5, (0, 0))


def test_one_number_a_batch_has_no_interval() -> None:
    change = verify(SAME, DOUBLE, metric=f"{__name__}:of_the_batch").metric
    assert change is not None
    sums = [float(batch["x"].sum()) for batch in batches(X)]
    assert change.before == pytest.approx(np.average(sums, weights=[3, 3, 3, 1]), rel=1e-5)
    assert change.after == pytest.approx(2 * change.before, rel=1e-5)
    assert change.interval is None


@pytest.mark.parametrize(
    ("metric", "kind", "why"),
    [
        ("broken", DataError, r"metric .*:broken: it failed with KeyError: 'logits'"),
        ("wrong_count", DataError, r"scores of shape \(99,\) for 3 samples"),
        ("absent", UsageError, "cannot be imported: .*absent.*known are top1, agreement, psnr"),
    ],
)
def test_what_the_users_metric_does_wrong_is_said(metric: str, kind: type[ConvprofError], why: str) -> None:
    with pytest.raises(kind, match=why):
        verify(SAME, SAME, metric=f"{__name__}:{metric}")


@pytest.mark.parametrize("metric", ["accuracy", "no.such.module:function", ":", "os:", ":f"])
def test_an_unknown_metric_is_refused_with_the_list(metric: str) -> None:
    with pytest.raises(UsageError, match=r"known are top1, agreement, psnr and package\.module:function"):
        verify(SAME, SAME, labels=CLASSES, metric=metric)


@pytest.mark.parametrize(
    ("labels", "metric", "kind", "why"),
    [
        (None, "top1", UsageError, "needs labels"),
        (None, "psnr", UsageError, "needs labels"),
        (CLASSES[:9], None, DataError, "9 for 10 samples"),
        (np.array(3), None, DataError, "0 for 10 samples"),
        (CLASSES + 1, None, DataError, "classes 0 to 3"),
        (CLASSES - 1, None, DataError, "classes 0 to 3"),
        (CLASSES.astype(np.float64), "top1", DataError, "integers"),
        (CLASSES.astype(np.float64), None, UsageError, "suggest none"),
        (np.zeros((10, 7)), None, UsageError, "suggest none"),
        (np.zeros((10, 7)), "psnr", DataError, r"shape \(3, 4\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labels: Values | None, metric: str | None, kind: type[ConvprofError], why: str
) -> None:
    with pytest.raises(kind, match=why):
        verify(SAME, SAME, labels=labels, metric=metric)


def test_labels_must_last_as_long_as_the_data() -> None:
    for length in (9, 11):
        with pytest.raises(DataError, match=f"{length} for 10 samples"):
            verify(SAME, SAME, labels=np.zeros(length, np.int64), total=length)


def test_top1_needs_a_classifier() -> None:
    same = session("y = Identity(x)", *PICTURE)
    with pytest.raises(UsageError, match="holds no class scores"):
        verify(same, same, PICTURES, labels=np.zeros(6, np.int64), metric="top1")


def test_a_peak_is_above_zero() -> None:
    with pytest.raises(UsageError, match="peak"):
        verify(SAME, SAME, peak=0.0)


def test_models_with_different_outputs_are_not_compared() -> None:
    other = session("z = Identity(x)", outputs="float[N, 4] z", what="other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx: its outputs are z and those of net\.onnx y"):
        verify(SAME, other)
    wide = session("y = Concat <axis = 1> (x, x)", outputs="float[N, 8] y", what="wide.onnx")
    with pytest.raises(ModelError, match=r"wide\.onnx: output 'y' has shape \(3, 8\), and \(3, 4\)"):
        verify(SAME, wide)


def test_a_model_that_cannot_take_the_feeds_is_named() -> None:
    with pytest.raises(ModelError, match=r"root\.onnx"):
        compare(ROOT, ROOT, [{"z": X}], labels=None, metric=None, total=10)


def test_no_data_is_no_evidence() -> None:
    with pytest.raises(DataError, match="no samples"):
        verify(SAME, SAME, X[:0])


def test_the_samples_that_moved_most_least_and_just_between() -> None:
    x = np.array([3, 1, 5, 2, 4], np.float32)[:, None] * np.ones((5, 4), np.float32)
    for size in (1, 2, 5):
        (output,) = compare(SAME, DOUBLE, batches(x, size), labels=None, metric=None, total=5).outputs
        assert [(each.place, each.sample, each.rms) for each in output.samples] == [
            ("worst", 2, 5.0),
            ("median", 0, 3.0),
            ("best", 1, 1.0),
        ]


@pytest.mark.parametrize(("count", "places"), [(1, ["worst"]), (2, ["worst", "best"])])
def test_of_few_samples_each_is_told_once(count: int, places: list[str]) -> None:
    (output,) = verify(SAME, DOUBLE, X[:count]).outputs
    assert [each.place for each in output.samples] == places
    assert len({each.sample for each in output.samples}) == count


def test_a_sample_that_is_not_finite_moved_most() -> None:
    x = np.abs(X[:4])
    x[2, 1] = -1
    (output,) = verify(SAME, ROOT, x).outputs
    assert (output.samples[0].sample, output.samples[0].rms) == (2, None)


def test_outputs_without_samples_on_the_first_axis_name_none() -> None:
    flat = session("y = ReduceSum<keepdims=0>(x)", outputs="float y")
    assert verify(flat, flat).outputs[0].samples == ()


def test_of_classes_by_pixel_the_share_that_changed_decides() -> None:
    shape, made = "N, 1, 8, 8", "float[N, 2, 8, 8] y"
    plain = session("n = Neg(x) y = Concat<axis=1>(x, n)", shape, made)
    # A shift of -0.5 changes the class of what lies between 0 and 0.25, and all scores by the same amount.
    shifted = session("k = Constant<value_float=-0.5>() a = Add(x, k) n = Neg(x) y = Concat<axis=1>(a, n)", shape, made)
    x = np.full((3, 1, 8, 8), 1.0, np.float32)
    x[0, 0, :2], x[1, 0, :6] = 0.1, 0.1
    (output,) = verify(plain, shifted, x).outputs
    assert [(each.sample, each.changed) for each in output.samples] == [(1, 0.75), (0, 0.25), (2, 0.0)]


def test_progress_counts_samples() -> None:
    said: list[tuple[str, int, int]] = []
    verify(SAME, SAME, progress=lambda *state: said.append(state))
    assert said == [("verify", done, 10) for done in (3, 6, 9, 10)]


def test_a_user_module_is_imported_by_its_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scoring").mkdir()
    (tmp_path / "scoring" / "mine.py").write_text("def right(outputs, labels):\n    return labels == labels\n")
    monkeypatch.syspath_prepend(tmp_path)
    change = verify(SAME, SAME, labels=CLASSES, metric="scoring.mine:right").metric
    assert change is not None
    assert change.after == 1
