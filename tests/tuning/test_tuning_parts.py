"""What runs are made of: samples, augmentation, targets, ways to run, and the shape of the learning rate."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from small_networks import CLASSES, PICTURES, SOFT, problem
from torch.nn import functional

from convprof import torch as modules
from convprof.data import Batches, open_data
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec
from convprof.records.tuning import CurvePoint, Settings, Way, WayTime
from convprof.tuning import losses, optimising, preparing, settings
from convprof.tuning.answers import Answers
from convprof.tuning.augmenting import NAMES, Augmentation, Pictures
from convprof.tuning.keeping import Position
from convprof.tuning.loop import _speed, _stalled
from convprof.tuning.running import Running
from convprof.tuning.samples import Samples
from convprof.tuning.settings import RATES
from convprof.tuning.targets import find_targets
from convprof.tuning.together import Together

ALONE = Together(torch.device("cpu"))


def numbered(folder: Path, count: int) -> Batches:
    """Samples that are their own numbers, with labels."""
    np.savez(folder / "numbers.npz", x=np.arange(count, dtype=np.float32)[:, None], y=np.arange(count))
    return open_data(str(folder / "numbers.npz"), (TensorSpec("x", "float32", (None, 1)),), labels="y")


@given(st.integers(8, 3000), st.integers(1, 200), st.integers(0, 99))
@examples(max_examples=30)
def test_every_epoch_sees_each_sample_once_and_none_that_is_held_out(
    tmp_path_factory: pytest.TempPathFactory, count: int, size: int, seed: int
) -> None:
    samples = Samples(numbered(tmp_path_factory.mktemp("data"), count), size, seed, ALONE)
    held = torch.cat([batch.feeds["x"] for batch in samples.held_out_batches()]).flatten().tolist()
    assert 1 <= len(held) <= max(0.05 * count, 0.2 * count, 100) + 1
    assert len(held) <= 2000
    for epoch in (0, 1):
        steps = range(epoch * samples.steps_per_epoch, (epoch + 1) * samples.steps_per_epoch)
        batches = [samples.batch(step) for step in steps]
        seen = torch.cat([batch.feeds["x"] for batch in batches]).flatten().tolist()
        assert len(set(seen)) == len(seen) == samples.steps_per_epoch * samples.size
        assert count - len(held) - len(seen) < samples.size
        assert not set(seen) & set(held)
        for batch in batches:
            assert batch.labels is not None
            assert torch.equal(batch.labels, batch.feeds["x"].flatten().long())


def test_the_order_is_the_seeds_and_the_steps(tmp_path: Path) -> None:
    batches = numbered(tmp_path, 500)
    one, same, other = (Samples(batches, 32, seed, ALONE) for seed in (1, 1, 2))
    for step in (40, 3, 17, 3):
        assert torch.equal(one.batch(step).feeds["x"], same.batch(step).feeds["x"])
    assert not torch.equal(one.batch(3).feeds["x"], other.batch(3).feeds["x"])
    assert not np.array_equal(one.held_out, other.held_out)
    first, second = (one.batch(step).feeds["x"] for step in (0, one.steps_per_epoch))
    assert not torch.equal(first, second)


def test_only_the_samples_of_a_batch_are_read(tmp_path: Path) -> None:
    """A sample with NaN in it is refused by the step that it is in, by its number, and by no other."""
    spec = (TensorSpec("x", "float32", (None, 1)),)
    x = np.arange(500, dtype=np.float32)[:, None]
    np.save(tmp_path / "x.npy", x)
    samples = Samples(open_data(str(tmp_path / "x.npy"), spec), 32, 0, ALONE)
    bad = int(samples.batch(3).feeds["x"][5])
    x[bad] = np.nan
    np.save(tmp_path / "x.npy", x)
    samples = Samples(open_data(str(tmp_path / "x.npy"), spec), 32, 0, ALONE)
    assert [samples.batch(step).count for step in (0, 1, 2, 4)] == [32] * 4
    with pytest.raises(DataError, match=f"sample {bad} "):
        samples.batch(3)


def naive(pictures: torch.Tensor, names: tuple[str, ...], seed: int, step: int) -> torch.Tensor:
    """The same augmentation, picture by picture."""
    random = np.random.default_rng([seed, 2, step])
    count, _, height, width = pictures.shape
    left, up, over = (random.random(count) < 0.5 for _ in range(3))
    down, right = (random.integers(-(size // 16), size // 16 + 1, count) for size in (height, width))
    made = []
    for i, picture in enumerate(pictures):
        each = picture
        if "flip" in names and left[i]:
            each = each.flip(2)
        if "turn" in names and up[i]:
            each = each.flip(1)
        if "crop" in names:
            reach = max(height, width)
            padded = torch.nn.functional.pad(each, (reach,) * 4, mode="replicate")
            top, start = reach + down[i], reach + right[i]
            each = padded[:, top : top + height, start : start + width]
        if "turn" in names and over[i] and height == width:
            each = each.transpose(1, 2)
        made.append(each)
    return torch.stack(made)


@given(
    st.lists(st.sampled_from(["flip", "turn", "crop"]), unique=True),
    st.tuples(st.integers(1, 5), st.sampled_from([1, 3]), st.integers(1, 20), st.integers(1, 20)),
    st.integers(0, 10**6),
)
def test_augmentation_moves_pixels_as_a_loop_over_pictures_would(
    names: list[str], shape: tuple[int, ...], step: int
) -> None:
    pictures = torch.randn(shape, generator=torch.Generator().manual_seed(step))
    made = Augmentation(tuple(names), 5)(pictures, step)
    assert torch.equal(made, naive(pictures, tuple(names), 5, step))
    turned = Augmentation(tuple(names), 5, channels_last=True)(pictures.movedim(1, -1), step)
    assert torch.equal(turned.movedim(-1, 1), made)


@pytest.mark.parametrize("changes", [("flip",), ("flip", "crop")])
def test_the_teacher_says_the_mean_over_what_the_student_sees_and_its_mirror_image_aside_where_pictures_are_moved(
    tmp_path: Path, changes: tuple[str, ...]
) -> None:
    each = problem(tmp_path, CLASSES)
    teacher = modules.load(each.teacher).eval()
    samples = Samples(open_data(str(each.data), (TensorSpec("x", "float32", None),)), 32, 0, ALONE)
    answers = Answers(teacher, samples, ["y"], Pictures("x", channels_last=False), changes)
    assert (answers.memorable, answers.views) == (False, 2)
    batch = samples.batch(3)
    moved = replace(batch, feeds={"x": batch.feeds["x"].roll(1, 2)})
    with torch.no_grad():
        other = moved.feeds["x"].flip(3)
        if "crop" in changes:
            other = functional.pad(other, (0, 1, 0, 1), mode="replicate")[:, :, 1:, 1:]
        both = [teacher(values) for values in (moved.feeds["x"], other)]
    assert torch.allclose(answers.of(moved)["y"], (both[0] + both[1]) / 2)
    held = next(samples.held_out_batches())
    assert torch.equal(answers.of_held_out(held)["y"], answers.of(held)["y"])


def test_what_the_teacher_says_to_inputs_that_never_change_is_remembered(tmp_path: Path) -> None:
    each = problem(tmp_path, PICTURES)
    teacher = modules.load(each.teacher).eval()
    samples = Samples(open_data(str(each.data), (TensorSpec("x", "float32", None),)), 32, 0, ALONE)
    answers = Answers(teacher, samples, ["y"], None, ())
    assert (answers.memorable, answers.views) == (True, 1)
    batch = samples.batch(3)
    asked = answers.of(batch)["y"]
    answers.remember(Running(teacher, ALONE.device), lambda what, done, total: None)
    unseen = replace(batch, feeds={"x": torch.full_like(batch.feeds["x"], torch.nan)})
    assert torch.allclose(answers.of(unseen)["y"], asked, atol=1e-6)


def test_what_does_not_fit_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = problem(tmp_path, CLASSES)
    samples = Samples(open_data(str(each.data), (TensorSpec("x", "float32", None),)), 32, 0, ALONE)
    monkeypatch.setattr(settings, "REMEMBERED", 4 * samples.count - 1)
    assert not Answers(modules.load(each.teacher).eval(), samples, ["y"], None, ()).memorable


def test_jitter_changes_every_picture_a_little_and_the_same_step_alike() -> None:
    pictures = torch.rand(16, 3, 8, 8)
    jitter = Augmentation(("jitter",), 0)
    made = jitter(pictures, 3)
    assert torch.equal(made, jitter(pictures, 3))
    assert not torch.equal(made, jitter(pictures, 4))
    assert 0.001 < float((made - pictures).abs().mean()) < 0.1
    assert torch.equal(jitter((255 * pictures).byte(), 3), (255 * pictures).byte())
    assert Augmentation(NAMES, 0)((255 * pictures).byte(), 3).dtype == torch.uint8


def test_what_is_compared_follows_from_the_graph(tmp_path: Path) -> None:
    found = {}
    for name, text in (("classes", CLASSES), ("soft", SOFT), ("pictures", PICTURES)):
        (tmp_path / name).mkdir()
        each = problem(tmp_path / name, text)
        module = modules.load(each.student).eval()
        batch = next(
            Samples(open_data(str(each.data), (TensorSpec("x", "float32", None),)), 8, 0, ALONE).held_out_batches()
        )
        found[name] = [(each.output, each.name, each.kind, each.features) for each in find_targets(module, batch)]
    assert found == {
        "classes": [("y", "y", "logits", "f")],
        "soft": [("p", "y", "logits", "f")],
        "pictures": [("y", "y", "values", "")],
    }


def test_flips_are_for_teachers_that_do_not_mind(tmp_path: Path) -> None:
    each = problem(tmp_path, CLASSES)
    teacher = modules.load(each.teacher).eval()
    samples = Samples(open_data(str(each.data), (TensorSpec("x", "float32", None),), labels="label"), 32, 0, ALONE)
    minds = preparing.changes(Settings(), teacher, samples, labelled=False)
    assert (minds.names, minds.mirrored, minds.notices) == (("flip", "crop"), True, ())
    with torch.no_grad():  # a filter that only sees one direction
        for name, parameter in teacher.named_parameters():
            if teacher.names[name] == "w1":
                parameter[..., 0] = -parameter[..., 2]
                parameter[..., 1] = 0
    minds = preparing.changes(Settings(), teacher, samples, labelled=True)
    assert (minds.names, minds.mirrored) == (("crop",), False)
    assert [notice.code for notice in minds.notices] == ["not-mirrored"]
    asked = preparing.changes(Settings(augment=("flip",)), teacher, samples, labelled=True)
    assert (asked.names, asked.mirrored) == (("flip",), False)
    assert preparing.changes(Settings(augment=()), teacher, samples, labelled=True).names == ()


def test_pictures_are_known_by_their_layout() -> None:
    picture = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert torch.equal(Pictures("x", False).mirrored(picture)[0, 0, 0], torch.tensor([2.0, 1.0, 0.0]))
    assert torch.equal(Pictures("x", True).mirrored(picture.movedim(1, -1)), picture.flip(3).movedim(1, -1))
    assert Pictures("x", False).aside(picture).flatten().tolist() == [4, 5, 5, 4, 5, 5]
    assert torch.equal(
        Pictures("x", True).aside(picture.movedim(1, -1))[..., 0], Pictures("x", False).aside(picture)[:, 0]
    )
    wide = torch.arange(64.0).expand(1, 1, 2, 64)
    assert Pictures("x", False).aside(wide)[0, 0, 0].tolist() == [*range(2, 64), 63, 63]


def test_the_fastest_way_is_used_and_the_student_is_given_back(tmp_path: Path) -> None:
    each = problem(tmp_path, CLASSES)
    student = modules.load(each.student)
    network = student.network
    running = Running(student, ALONE.device)
    seconds = {way: 1.0 + number for number, way in enumerate(running.ways())}
    assert len(seconds) == 8
    wanted = Way(True, "float32", False)
    seconds[wanted] = 0.5
    unable, failing = Way(True, "bfloat16", True), Way(True, "float32", True)
    seconds[failing] = 0.1
    clock, gone = [0.0], set()

    def step() -> None:
        if running.way == unable or running.way in gone:
            raise RuntimeError("not for this type, or not twice")
        if running.way == failing:
            gone.add(failing)
        clock[0] += seconds[running.way]

    with running:
        times = running.fastest(step, lambda: clock[0], 1e9)
        assert running.way == wanted
        assert times[0].way == wanted
        assert times[0].seconds == pytest.approx(0.5)
        assert {time.way for time in times} == set(seconds) - {unable, failing}
        assert [step.op_type for step in student.network.steps].count("ComposedConv") == 1
    assert student.network is network


@pytest.mark.parametrize(
    ("lasting", "taken", "load", "tried", "used"),
    [
        (1e6, 0.5, 1.0, True, True),
        (1e6, 0.5, 3.0, True, True),
        (1e6, 2.0, 1.0, True, False),
        (10.0, 0.5, 1.0, False, False),
        (1e6, None, 1.0, False, False),
    ],
    ids=["faster", "faster on a machine that is busy by then", "slower", "too little time", "no compiler"],
)
def test_the_fastest_way_is_compiled_where_that_is_worth_it(
    tmp_path: Path, lasting: float, taken: float | None, load: float, tried: bool, used: bool
) -> None:
    running = Running(modules.load(problem(tmp_path).student), ALONE.device)
    first = WayTime(Way(True, "float32", True), 1.0)
    clock = [0.0]

    def step() -> None:
        if taken is None:
            raise RuntimeError("no working C++ compiler")
        clock[0] += load * (taken if running.way.compiled else 1.0)

    with running:
        running.use(first.way)
        times = running.compiled(step, lambda: clock[0], (first,), lasting)
        assert running.way == times[0].way
        assert running.way.compiled == running.student.training_compiled == used
        assert len(times) == 1 + tried
    assert not running.student.training_compiled


def test_what_is_compiled_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run through torch's compiler: the same result, no files, and no variable."""
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Running, "ways", lambda self: iter([Way(True, "float32", False)]))
    each = problem(tmp_path)
    plain = each.tune(epochs=2)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(settings, "COMPILING", 0.0)
    found = each.tune(epochs=2)
    assert {time.way.compiled for time in found.times} == {False, True}
    assert found.stages[0].after == pytest.approx(plain.stages[0].after, rel=1e-3)
    assert sorted(tmp_path.iterdir()) == before
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


def test_a_slow_way_does_not_take_the_time_of_those_behind_it(tmp_path: Path) -> None:
    running = Running(modules.load(problem(tmp_path).student), ALONE.device)
    slow, fast, *_ = running.ways()
    clock, passes = [0.0], dict.fromkeys(running.ways(), 0)

    def step() -> None:
        clock[0] += 30.0 if running.way == slow else 5.0
        passes[running.way] += 1

    times = running.fastest(step, lambda: clock[0], 40.0)
    assert [each.seconds for each in times] == [5.0, 5.0, 5.0, 30.0]
    assert running.way == fast
    assert set(passes.values()) == {0, 1}
    clock[0] = 0.0
    assert len(running.fastest(step, lambda: clock[0], 1e9)) == len(passes)
    assert passes[slow] == 2
    assert passes[fast] == 4
    assert len(running.fastest(step, lambda: clock[0], 0.0)) == 1


def test_a_network_without_chains_is_not_composed(tmp_path: Path) -> None:
    running = Running(modules.load(problem(tmp_path).teacher), ALONE.device)
    assert [way.composed for way in running.ways()] == [False] * 4


def test_the_learning_rate_rises_along_a_line_and_falls_along_a_cosine() -> None:
    shares = [_speed(step, 1000) for step in range(1001)]
    top = int(np.argmax(shares))
    assert top == 100
    assert shares[0] == pytest.approx(0.1)
    assert shares[top] == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(0.001)
    assert all(a < b for a, b in pairwise(shares[: top + 1]))
    assert all(a > b for a, b in pairwise(shares[top:]))


@pytest.mark.parametrize(
    ("measures", "kept", "chance", "stopped"),
    [
        ([0.86, 0.85, 0.85, 0.84, 0.85], 60, 0.008, True),
        ([0.86, 0.855, 0.85, 0.84, 0.85], 60, 0.008, False),
        ([0.86, 0.859, 0.859, 0.859, 0.86], 60, 0.0, True),
        ([0.86, None, None, 0.84, 0.85], 60, 0.008, True),
        ([0.86, 0.85, 0.85, 0.85], 60, 0.008, False),
        ([0.86, 0.85, 0.85, 0.85, 0.85], 0, 0.008, False),
    ],
    ids=["worse", "as good, but for chance", "never better", "no number", "too early", "nothing gained yet"],
)
def test_a_run_stops_early_where_it_has_got_worse_beyond_chance(
    measures: list[float | None], kept: int, chance: float, stopped: bool
) -> None:
    curve = [CurvePoint(60 + 5 * look, 0.0, None, measure) for look, measure in enumerate(measures)]
    here = Position(step=curve[-1].steps, steps=100, kept=kept, best=0.86, curve=curve)
    assert _stalled(here, chance) is stopped


def test_losses_say_what_they_are_called() -> None:
    a, b = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    p, q = a.softmax(1), b.softmax(1)
    assert float(losses.divergence(b, a)) == pytest.approx(float((p * (p / q).log()).sum(1).mean()))
    assert float(losses.divergence(a + 3, a, 2.0)) == pytest.approx(0, abs=1e-12)
    assert float(losses.relative(2 * a, a)) == pytest.approx(1.0)
    assert losses.right(torch.eye(4), torch.tensor([0, 1, 2, 0])) == 3


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (8, 3, 3, 3)])
def test_a_muon_step_turns_all_directions_alike_and_is_as_long_as_the_rate_says(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(shape, dtype=torch.float64))
    before = weight.detach().clone()
    optimiser = optimising.Muon([weight], 0.01)
    weight.grad = torch.randn(shape, dtype=torch.float64)
    optimiser.step()
    moved = (weight.detach() - before).flatten(1)
    assert float(moved.norm() / before.norm()) == pytest.approx(0.01)
    values = torch.linalg.svdvals(moved)
    assert float(values.max() / values.min()) < 2.5
    given = torch.linalg.svd(weight.grad.flatten(1), full_matrices=False)
    wanted = given.U @ given.Vh
    assert float((moved * wanted).sum() / moved.norm() / wanted.norm()) < -0.97


def test_weights_that_mix_channels_are_turned_and_the_others_are_not() -> None:
    shapes = {"mixing": (8, 4, 1, 1), "dense": (8, 4), "depthwise": (8, 1, 3, 3), "bias": (8,)}
    trained = {name: torch.nn.Parameter(torch.ones(shape)) for name, shape in shapes.items()}
    muon, adamw = optimising.optimisers(trained, "muon", 0.004)
    assert [tuple(each.shape) for each in muon.param_groups[0]["params"]] == [(8, 4, 1, 1), (8, 4)]
    assert [tuple(each.shape) for each in adamw.param_groups[0]["params"]] == [(8, 1, 3, 3), (8,)]
    assert [each.param_groups[0]["peak"] for each in (muon, adamw)] == [0.004, RATES["adamw"]]
    (alone,) = optimising.optimisers(trained, "adamw", 0.5)
    assert alone.param_groups[0]["peak"] == 0.5
    assert len(alone.param_groups[0]["params"]) == 4
