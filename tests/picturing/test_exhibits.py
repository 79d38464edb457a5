"""Pictures of real models' outputs: the samples, their figures, and what the files hold."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import parser
from PIL import Image

from convprof import execution, png
from convprof.data import Batches, open_data
from convprof.pipeline import steps
from convprof.pipeline.opening import ONE_THREAD
from convprof.records.fidelity import Fidelity
from convprof.records.pictures import Pictures
from convprof.records.progress import silent

Values = NDArray[Any]
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (7, 24, 20, 1), np.uint8)
RGB = RANDOM.integers(0, 256, (3, 24, 20, 3), np.uint8)


def network(folder: Path, name: str, body: str, shape: str, made: str) -> Path:
    text = f'<ir_version: 8, opset_import: ["": 17]> g (float[{shape}] x) => ({made}) {{ {body} }}'
    path = folder / f"{name}.onnx"
    path.write_bytes(parser.parse_model(text).SerializeToString())
    return path


def seen(before: Path, after: Path, data: Path, preprocess: str | None) -> tuple[Fidelity, Pictures | None, Batches]:
    loaded = execution.load(before)
    batches = open_data(str(data), loaded.inputs, preprocess=preprocess)
    old = execution.settle(loaded, {}, {}, batches.shapes)
    new = execution.settle(execution.load(after), {}, {}, batches.shapes)
    fidelity = steps.compare(old, before, after, batches, None, ONE_THREAD, silent)
    return fidelity, steps.pictures(old, new, batches, fidelity, ONE_THREAD), batches


def pair(
    folder: Path, before: str, after: str, pictures: Values, preprocess: str | None, shape: str, made: str
) -> Pictures:
    np.savez(folder / "data.npz", allow_pickle=False, x=pictures)
    models = network(folder, "a", before, shape, made), network(folder, "b", after, shape, made)
    _, found, _ = seen(*models, folder / "data.npz", preprocess)
    assert found is not None
    return found


def opened(file: bytes) -> Values:
    png.check(file)
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


SAME = "y = Identity(x)"
HALVED = "half = Constant<value_float=0.5>() y = Mul(x, half)"
GREY_SHAPE = "N, 1, H, W", "float[N, 1, H, W] y"
RGB_SHAPE = "N, 3, H, W", "float[N, 3, H, W] y"


@pytest.mark.parametrize("preprocess", ["unit", "signed", "raw", "mean=0.4,std=0.2"])
def test_pixels_come_out_as_they_went_in(tmp_path: Path, preprocess: str) -> None:
    found = pair(tmp_path, SAME, HALVED, GREY, preprocess, *GREY_SHAPE)
    assert (found.span, found.input_span, found.scale) == ("preprocessing", "preprocessing", 1)
    for each in found.samples:
        for file in (each.input, each.dense):
            np.testing.assert_array_equal(opened(file), GREY[each.sample].repeat(3, axis=2))


@pytest.mark.parametrize("preprocess", ["imagenet", "unit,order=bgr", "imagenet,order=bgr"])
def test_colours_come_out_as_they_went_in(tmp_path: Path, preprocess: str) -> None:
    found = pair(tmp_path, SAME, HALVED, RGB, preprocess, *RGB_SHAPE)
    for each in found.samples:
        np.testing.assert_array_equal(opened(each.input), RGB[each.sample])
        np.testing.assert_array_equal(opened(each.dense), RGB[each.sample])


def test_the_samples_are_the_worst_the_median_and_the_best(tmp_path: Path) -> None:
    found = pair(tmp_path, SAME, HALVED, GREY, "unit", *GREY_SHAPE)
    assert [each.place for each in found.samples] == ["worst", "median", "best"]
    pixels = GREY / 255
    order = np.argsort(np.square(pixels / 2).mean(axis=(1, 2, 3)))
    assert [each.sample for each in found.samples] == [order[-1], order[3], order[0]]
    worst = found.samples[0]
    halves = pixels[worst.sample].astype(np.float32) / 2
    assert worst.max_abs == pytest.approx(halves.max())
    assert worst.psnr_db == pytest.approx(-10 * np.log10(np.square(halves).mean()), abs=1e-4)
    assert worst.changed is None


def test_differences_are_blue_where_darker_and_white_where_none(tmp_path: Path) -> None:
    grey = np.zeros((1, 16, 16, 1), np.uint8)
    grey[0, 4:8] = 255
    found = pair(tmp_path, SAME, HALVED, grey, "unit", *GREY_SHAPE)
    assert found.amplification == 2
    (only,) = found.samples
    assert only.place == "worst"
    shown = opened(only.difference)
    assert (shown[4:8] == (0, 114, 178)).all()
    assert (shown[8:] == 255).all()
    brighter = pair(tmp_path, HALVED, SAME, grey, "unit", *GREY_SHAPE)
    assert (opened(brighter.samples[0].difference)[4:8] == (213, 94, 0)).all()


def test_equal_outputs_have_no_psnr(tmp_path: Path) -> None:
    found = pair(tmp_path, SAME, SAME, GREY, "unit", *GREY_SHAPE)
    assert {(each.max_abs, each.psnr_db) for each in found.samples} == {(0.0, None)}
    assert all((opened(each.difference) == 255).all() for each in found.samples)


def test_what_no_range_fits_is_stretched(tmp_path: Path) -> None:
    far = "k = Constant<value_float=1e4>() y = Mul(x, k)"
    further = "k = Constant<value_float=1.1e4>() y = Mul(x, k)"
    found = pair(tmp_path, far, further, GREY, "unit", *GREY_SHAPE)
    assert found.span == "stretched"
    assert found.low == pytest.approx(GREY.min() / 255 * 1e4)
    assert found.samples[0].psnr_db is not None


def test_values_that_are_no_numbers_are_shown_as_such(tmp_path: Path) -> None:
    grey = np.full((1, 16, 16, 1), 200, np.uint8)
    grey[0, 3] = 0
    grey[0, 0, 0] = 255
    found = pair(tmp_path, SAME, "y = Log(x)", grey, "unit", *GREY_SHAPE)
    (worst,) = found.samples
    assert worst.max_abs is None
    assert worst.psnr_db is None
    black = (opened(worst.difference) == 0).all(axis=2)  # which is neither blue nor orange
    assert black[3].all()
    assert not np.delete(black, 3, axis=0).any()


def test_an_enlarged_output_goes_with_its_place_in_the_input(tmp_path: Path) -> None:
    large = RANDOM.integers(0, 256, (2, 100, 90, 1), np.uint8)
    scales = 's = Constant<value_floats=[1.0, 1.0, 3.0, 3.0]>() u = Resize<mode="nearest">(x, , s)'
    body = f"{scales} y = Identity(u)"
    other = f"{scales} half = Constant<value_float=0.5>() y = Mul(u, half)"
    found = pair(tmp_path, body, other, large, "unit", "N, 1, H, W", "float[N, 1, A, B] y")
    assert (found.scale, found.height, found.width) == (3, 300, 270)
    for each in found.samples:
        assert max(each.height, each.width) <= 192
        dense, fed = opened(each.dense), opened(each.input)
        np.testing.assert_array_equal(dense, fed.repeat(3, axis=0).repeat(3, axis=1)[: each.height, : each.width])


def test_a_fixed_batch_is_filled(tmp_path: Path) -> None:
    found = pair(tmp_path, SAME, HALVED, GREY, "unit", "3, 1, 24, 20", "float[3, 1, 24, 20] y")
    assert max(each.sample for each in found.samples) < 6  # the seventh fills no batch
    for each in found.samples:
        np.testing.assert_array_equal(opened(each.dense)[..., :1], GREY[each.sample])


def test_noise_in_colours_stays_small(tmp_path: Path) -> None:
    noise = RANDOM.integers(0, 256, (3, 300, 280, 3), np.uint8)
    found = pair(tmp_path, SAME, HALVED, noise, "unit", *RGB_SHAPE)
    files = [file for each in found.samples for file in (each.input, each.dense, each.converted, each.difference)]
    assert 100_000 < sum(map(len, files)) <= 256 << 10


CLASSES = "N, 3, H, W", "float[N, 9, H, W] y"
# Nine channels: the input's three, how much less than a number they are, and them halved, which is never the largest.
NINE = """k = Constant<value_float={}>() n = Neg(x) a = Add(n, k)
    h = Constant<value_float=0.5>() b = Mul(x, h) y = Concat<axis=1>(x, a, b)"""


def test_classes_are_told_by_where_they_change(tmp_path: Path) -> None:
    rgb = RANDOM.integers(0, 256, (5, 16, 16, 3), np.uint8)
    before, after = NINE.format(0.01), NINE.format(0.8)
    np.savez(tmp_path / "data.npz", allow_pickle=False, x=rgb)
    models = network(tmp_path, "a", before, *CLASSES), network(tmp_path, "b", after, *CLASSES)
    fidelity, found, _ = seen(*models, tmp_path / "data.npz", "unit")
    assert found is not None
    assert (found.kind, found.span, found.amplification) == ("classes", None, None)
    assert {0, 1, 2} <= set(found.classes) <= set(range(6))
    changed = [each.changed for each in fidelity.outputs[0].samples]
    assert [each.changed for each in found.samples] == changed
    assert changed == sorted(changed, key=lambda share: -(share or 0.0))
    assert changed[0]
    for each in found.samples:
        largest = rgb[each.sample].argmax(axis=2)
        one = opened(each.dense)[largest == 0]
        assert len(np.unique(one, axis=0)) == 1
        assert each.changed == np.mean((opened(each.difference) == (213, 94, 0)).all(axis=2))


def test_a_classifier_has_nothing_to_see(tmp_path: Path) -> None:
    body = "p = GlobalAveragePool(x) y = Flatten(p)"
    np.savez(tmp_path / "data.npz", allow_pickle=False, x=RGB)
    model = network(tmp_path, "a", body, "N, 3, H, W", "float[N, 3] y")
    fidelity, found, _ = seen(model, model, tmp_path / "data.npz", "unit")
    assert found is None
    assert fidelity.outputs[0].samples
