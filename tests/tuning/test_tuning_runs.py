"""Training small networks: what comes out, what is never lost, and what a run that was cut short goes on with."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from small_networks import CLASSES, NORMALISED, PICTURES, SOFT, Problem, problem, same, trained, weights

import convprof
from convprof.errors import ConvprofError, DataError, ModelError, OutputError, UsageError
from convprof.records.files import decode
from convprof.records.tuning import Settings, Tuning
from convprof.reporting import render_tuning
from convprof.runtime import open_session

QUICK = Settings(recipe=("distill",), batch=32, learning_rate=0.01, threads=1, epochs=4)


@pytest.fixture
def classes(tmp_path: Path) -> Problem:
    return problem(tmp_path)


def distance(each: Problem, model: Path) -> float:
    """Relative error of the outputs on inputs that nobody has trained on."""
    feeds = {"x": np.random.default_rng(9).standard_normal((200, 1, 8, 8)).astype(np.float32)}
    wanted, made = (next(iter(open_session(path).run(feeds).values())) for path in (each.teacher, model))
    return float(np.linalg.norm(made - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize(
    ("text", "measure", "augment"),
    [(CLASSES, "kl", ("flip", "crop")), (SOFT, "kl", ("flip", "crop")), (PICTURES, "relative_l2", ("flip", "turn"))],
)
def test_the_student_comes_closer_to_the_teacher(
    tmp_path: Path, text: str, measure: str, augment: tuple[str, ...]
) -> None:
    each = problem(tmp_path, text)
    record = each.tune(epochs=20)
    (stage,) = record.stages
    assert (stage.measure, record.settings.augment) == (measure, augment)
    assert record.mirrored == (measure == "kl")
    assert stage.after == min(point.measure for point in stage.curve) < 0.7 * stage.before
    assert stage.before == stage.curve[0].measure
    assert distance(each, tmp_path / "out.onnx") < distance(each, each.student)
    assert decode((tmp_path / "out.tuning.json").read_bytes(), Tuning, "record") == record
    assert not (tmp_path / "out.onnx.tune").exists()


@pytest.mark.parametrize(
    ("augment", "epochs", "views", "remembered"),
    [(None, 2, 2, False), ((), 2, 1, True), ((), 0.5, 1, False)],
    ids=["pictures that move", "inputs as they are", "less than one pass"],
)
def test_the_teacher_is_asked_in_advance_where_that_saves_time(
    classes: Problem, augment: tuple[str, ...] | None, epochs: float, views: int, remembered: bool
) -> None:
    said = set[str]()
    record = classes.tune(epochs=epochs, augment=augment, progress=lambda what, done, total: said.add(what))
    assert record.stages[0].views == views
    assert ("mean over 2 views" in render_tuning(record, "markdown")) == (views == 2)
    assert ("the original's answers" in said) == remembered


@pytest.mark.parametrize("later", [0.25, 4.0])
def test_a_machine_whose_speed_changes_trains_as_long_as_it_was_told(
    classes: Problem, later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convprof.tuning.settings.COMPILING", float("inf"))  # which really takes time
    clock = itertools.accumulate(itertools.chain(itertools.repeat(1.0, 100), itertools.repeat(later)))
    settings = msgspec.structs.replace(QUICK, epochs=None, seconds=400.0, learning_rate=0.003)
    (stage,) = trained(classes, settings, clock=clock).stages
    assert 0.9 * 400 < 60 * stage.minutes < 1.1 * 400
    assert (stage.steps > 400) == (later < 1)


def test_a_softmax_at_the_end_changes_nothing(tmp_path: Path) -> None:
    for folder, text in (("a", CLASSES), ("b", SOFT)):
        (tmp_path / folder).mkdir()
        each = problem(tmp_path / folder, text)
        trained(each, QUICK)
    assert same(weights(tmp_path / "a" / "out.onnx"), weights(tmp_path / "b" / "out.onnx"))


@pytest.mark.parametrize("learning_rate", [1e3, 1e30])
def test_a_hopeless_learning_rate_returns_the_start(tmp_path: Path, learning_rate: float) -> None:
    each = problem(tmp_path, PICTURES)
    record = each.tune(epochs=10, learning_rate=learning_rate)
    (stage,) = record.stages
    assert stage.after == stage.before
    assert stage.kept == 0
    assert stage.rollbacks > 0
    assert stage.learning_rate < learning_rate
    assert [notice.code for notice in record.notices] == ["diverged", "no-gain"]
    assert same(each.weights(), weights(each.student))


@pytest.mark.parametrize(
    ("text", "near"), [(PICTURES, 0.1), (CLASSES, 0.2), (SOFT, 0.2)], ids=["pictures", "classes", "softmax"]
)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 1.0])
def test_a_student_near_its_teacher_is_trained_gently_unless_a_rate_is_given(
    tmp_path: Path, text: str, near: float, share: float
) -> None:
    """The student is the teacher but for its last layer, which is weaker by `share`: so far off are all answers."""
    each = problem(tmp_path, text)
    convprof.rewrite(each.teacher, each.student, form="depthwise-pointwise", rank=(9,), only=["conv2"], init="weights")
    model = onnx.load(each.student)
    for held in model.graph.initializer:
        if held.name in ("w3", "b3", "w4", "b4"):
            held.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(held) * np.float32(1 - share), held.name))
    onnx.save(model, each.student)
    (usual,) = each.tune(epochs=1, learning_rate=None).stages
    assert usual.learning_rate == pytest.approx(0.004 * max(0.01, min(1.0, share / near)), rel=1e-3)
    (given,) = each.tune(epochs=1, learning_rate=0.0005).stages
    assert given.learning_rate == pytest.approx(0.0005)


def test_labels_are_learned_at_the_usual_rate_however_near_the_teacher_is(classes: Problem) -> None:
    found = classes.tune(epochs=1, learning_rate=None, recipe=("finetune",), teacher=classes.student, labels="label")
    assert found.stages[0].learning_rate == pytest.approx(0.004)


def test_factors_alone_leave_the_other_weights(classes: Problem) -> None:
    classes.tune(epochs=2, train="factors")
    before, after = weights(classes.student), classes.weights()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in before if "/convprof/" in name}
    classes.tune(epochs=2, train="all")
    after = classes.weights()
    assert not any(np.array_equal(before[name], after[name]) for name in before)


def test_statistics_follow_the_data_only_where_all_weights_are_trained(tmp_path: Path) -> None:
    each = problem(tmp_path, NORMALISED)
    before = weights(each.student)
    for train, moves in (("factors", False), ("all", True)):
        record = each.tune(epochs=6, train=train)
        assert record.stages[0].kept > 0
        assert [np.array_equal(before[name], each.weights()[name]) for name in "mv"] == [not moves] * 2


def test_time_is_reckoned_in_steps(classes: Problem) -> None:
    record = classes.tune(seconds=1.0)
    (stage,) = record.stages
    assert stage.steps > 10
    assert stage.minutes < 0.1


@pytest.mark.parametrize("train", ["factors", "all"])
@pytest.mark.parametrize("stop_after", [1, 12, 30, 52, 70])
def test_what_goes_on_ends_as_what_was_never_stopped(tmp_path: Path, train: str, stop_after: int) -> None:
    each = problem(tmp_path, NORMALISED)
    settings = msgspec.structs.replace(QUICK, train=train, recipe=("distill", "finetune"))
    whole = trained(each, settings, output="whole.onnx")
    with pytest.raises(KeyboardInterrupt) as caught:
        trained(each, settings, stop_after)
    assert ("--resume goes on" in "".join(getattr(caught.value, "__notes__", ()))) == (stop_after > 1)
    again = trained(each, settings, resume=True)
    assert [stage.method for stage in again.stages] == ["distill", "finetune"]
    assert same(each.weights("whole.onnx"), each.weights())
    for one, other in zip(whole.stages, again.stages, strict=True):
        assert msgspec.structs.replace(one, minutes=0, curve=()) == msgspec.structs.replace(other, minutes=0, curve=())
        assert [(p.steps, p.loss, p.measure) for p in one.curve] == [(p.steps, p.loss, p.measure) for p in other.curve]
    assert not (tmp_path / "out.onnx.tune").exists()


def test_twice_cut_short_is_no_matter(classes: Problem) -> None:
    whole = trained(classes, QUICK, output="whole.onnx")
    for resume, stop_after in ((False, 14), (True, 14)):
        with pytest.raises(KeyboardInterrupt):
            trained(classes, QUICK, stop_after, resume)
    again = trained(classes, QUICK, resume=True)
    assert [stage.after for stage in again.stages] == [stage.after for stage in whole.stages]
    assert same(classes.weights("whole.onnx"), classes.weights())


class _Runs:
    """Pickled, it is a program; read, it must not run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("it ran",)


@pytest.mark.parametrize("kind", ["cut", "other", "program", "tensors", "position"])
def test_a_damaged_state_is_refused_in_a_line(classes: Problem, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(classes, QUICK, 20)
    place = classes.folder / "out.onnx.tune"
    found = torch.load(place, weights_only=True)
    if kind == "cut":
        place.write_bytes(place.read_bytes()[:-100])
    elif kind == "other":
        torch.save([1, 2], place)
    elif kind == "program":
        torch.save({**found, "more": _Runs()}, place)
    elif kind == "tensors":
        found["tensors"]["best"] = {"w": torch.zeros(3)}
        torch.save(found, place)
    else:
        torch.save({**found, "standing": found["standing"].replace('"interval":', '"interval":-')}, place)
    with pytest.raises(DataError, match=r"cannot be read.*leave out --resume"):
        trained(classes, QUICK, resume=True)
    assert "it ran" not in capsys.readouterr().out


def test_the_state_of_another_run_is_refused(classes: Problem) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(classes, QUICK, 20)
    with pytest.raises(UsageError, match="left by a run with another settings"):
        trained(classes, msgspec.structs.replace(QUICK, seed=1), resume=True)
    (classes.folder / "out.onnx.tune").unlink()
    (classes.folder / "out.onnx.tune").mkdir()
    with pytest.raises(OutputError, match="is not a file"):
        trained(classes, QUICK)


def test_labels_are_learned(classes: Problem) -> None:
    record = classes.tune(epochs=30, labels="label", recipe=("finetune",), augment=(), teacher=None)
    (stage,) = record.stages
    assert (stage.measure, stage.better) == ("top1", "higher")
    assert record.teacher is None
    assert stage.after >= stage.before
    losses = [point.loss for point in stage.curve if point.loss is not None]
    assert losses[-1] < losses[0]


def test_pictures_are_learned_and_turned_with_their_targets(tmp_path: Path) -> None:
    each = problem(tmp_path, PICTURES)
    record = each.tune(epochs=20, labels="wanted", recipe=("distill", "finetune"), loss="l1")
    imitated, learned = record.stages
    assert (imitated.measure, learned.measure) == ("relative_l2", "l1")
    assert record.settings.augment == ("flip", "turn")
    assert learned.after < 0.8 * learned.before


def test_a_loss_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_losses.py").write_text(
        "def cubed(output, wanted):\n    return (output - wanted).abs().pow(3).mean()\n"
        "def broken(output, wanted):\n    return output.no_such_thing\n"
        "def many(output, wanted):\n    return output\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    each = problem(tmp_path, PICTURES)
    options: dict[str, Any] = {"epochs": 3, "labels": "wanted", "recipe": ("finetune",), "teacher": None}
    (stage,) = each.tune(loss="own_losses:cubed", **options).stages
    assert stage.measure == "own_losses:cubed"
    assert stage.after < stage.before
    for name, why in (("broken", "AttributeError"), ("many", "one number")):
        with pytest.raises(DataError, match=why):
            each.tune(loss=f"own_losses:{name}", **options)


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        (
            {"recipe": ("distil",)},
            UsageError,
            "no method is called 'distil'.*known are bias, reconstruct, distill, finetune",
        ),
        ({"recipe": ()}, UsageError, "it names no method"),
        ({"recipe": ("finetune",)}, UsageError, "it learns from labels.*--labels"),
        ({"teacher": None}, UsageError, "--teacher"),
        ({"loss": "kll"}, UsageError, "no loss is called so.*kl, relative-l2, cross-entropy"),
        ({"loss": "no.such.module:f"}, UsageError, "cannot be imported"),
        ({"augment": ("flop",)}, UsageError, "'flop' is not known.*flip, turn, crop, jitter or none"),
        ({"batch": 0}, UsageError, "batch: 0 is below 1"),
        ({"temperature": 0.0}, UsageError, "temperature: 0.0 is no number above 0"),
        ({"learning_rate": float("nan")}, UsageError, "learning rate: nan is no number"),
        ({"labels": "wanted", "recipe": ("finetune",)}, DataError, "mse compares them"),
        ({"labels": "label", "recipe": ("finetune",), "loss": "l1"}, DataError, "l1 compares them"),
    ],
)
def test_what_cannot_be_done_is_refused(
    classes: Problem, options: dict[str, Any], error: type[ConvprofError], why: str
) -> None:
    with pytest.raises(error, match=why):
        classes.tune(epochs=1, **options)
    assert not (classes.folder / "out.onnx").exists()


def test_models_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    one, other = problem(tmp_path / "a", CLASSES), problem(tmp_path / "b", SOFT)
    with pytest.raises(ModelError, match=r"its outputs are y, those of .* p .*converted from"):
        one.tune(teacher=other.teacher, epochs=1)
    with pytest.raises(ModelError, match=r"no convolutions that convprof replaced.*--train all"):
        convprof.tune(
            one.teacher, calibration=str(one.data), teacher=one.student, settings=Settings(train="factors", epochs=1)
        )
    with pytest.raises(OutputError, match="model being read"):
        convprof.tune(one.student, one.teacher, calibration=str(one.data), teacher=one.teacher)


def test_answers_of_another_shape_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    wider = PICTURES.replace("8, 8] y", "10, 10] y").replace(
        "y = Conv <pads = [1, 1, 1, 1]", "y = Conv <pads = [2, 2, 2, 2]"
    )
    one, other = problem(tmp_path / "a", PICTURES), problem(tmp_path / "b", wider)
    with pytest.raises(ModelError, match=r"'y' has shape \[72, 1, 8, 8\], and \[72, 1, 10, 10\] in the teacher"):
        one.tune(teacher=other.teacher, epochs=1, batch=100)


def test_few_samples_are_refused_and_labels_out_of_range_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="7 samples are too few"):
        problem(tmp_path, samples=7).tune(epochs=1)
    each = problem(tmp_path, samples=40)
    labels = np.zeros(40, np.int64)
    labels[7] = 4
    np.savez(each.data, x=np.load(each.data)["x"], label=labels)
    with pytest.raises(DataError, match="class, here 0 to 3"):
        each.tune(epochs=1, labels="label", recipe=("finetune",))


def test_outputs_that_are_no_numbers_are_refused_at_the_start(classes: Problem) -> None:
    model = onnx.load(classes.student)
    for tensor in model.graph.initializer:
        if tensor.name == "b3":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(4, np.inf, np.float32), "b3"))
    onnx.save(model, classes.student)
    with pytest.raises(ModelError, match="its kl on the held-out part is nan"):
        classes.tune(epochs=1)


def test_a_model_of_one_batch_size_is_trained_at_that(tmp_path: Path) -> None:
    fixed = CLASSES.replace("float[N,", "float[2,").replace("f = Flatten(e)", "f = Reshape(e, shape)")
    fixed = fixed.replace("(float[2, 1, 8, 8] x)", "(float[2, 1, 8, 8] x)").replace("g (", "fixed (")
    fixed = fixed.replace("=> (float[2, 4] y) {", "=> (float[2, 4] y)\n<int64[2] shape = {2, 8}> {")
    each = problem(tmp_path, fixed, samples=41)
    record = each.tune(epochs=2)
    (stage,) = record.stages
    assert (stage.batch, stage.held_out, stage.samples) == (2, 8, 33)
    assert stage.after < stage.before
