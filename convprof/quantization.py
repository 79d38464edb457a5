"""Writes a model as int8, without replacing anything: what a conversion has to be better than, or ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from convprof.centring import mean_shifts
from convprof.data import Batches
from convprof.errors import DataError, ModelError
from convprof.execution import Values, affordable, fixed_batch, spread
from convprof.graph import (
    Model,
    Names,
    find_convs,
    fold_batch_norm,
    is_quantized,
    layer_name,
    read,
    replace_conv,
    serialized,
    shift_biases,
    stored_bytes,
)
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.records.factors import ConvStep
from convprof.records.progress import Progress, silent
from convprof.records.run import Quantization
from convprof.runtime import RunOptions, open_session
from convprof.runtime import quantize as write_int8

_SAMPLES = 256
_SAMPLES_FOR_BIASES = 32
# The quantiser holds models as protobuf messages, which end at 2 GB.
_LARGEST = 3 << 29


def quantize(
    model: Model, batches: Batches, path: Path, *, options: RunOptions, progress: Progress = silent
) -> Quantization:
    """Write the float `model` as int8 to `path`; activations get the range that they have on some of the samples.

    Biases make good what rounding the weights adds to the mean response of a conv (Nagel et al. 2019, arXiv 1906.04721,
    section 4.2; see `centring`).

    `options` are for a look at whether the result can be opened. Raises ModelError for a model that is int8 already,
    has nothing that can be, is too large or cannot be run, DataError for samples that do not fill its fixed batch, and
    OutputError where `path` cannot be written.
    """
    what = model.file.path
    if is_quantized(model.program):
        raise ModelError(what, "it is quantised already", "give the float model that it was made from")
    size = stored_bytes(model)
    if size > _LARGEST:
        raise ModelError(what, f"{size:,} bytes are too many for the quantiser", "leave it in float")
    feeds = spread(model, batches, affordable(batches, _SAMPLES))
    if not feeds:
        why = f"{batches.count} samples do not fill the model's batch of {fixed_batch(model)}"
        raise DataError(batches.what, why, "give more")
    opset = model.program.opset_imports.get("") or 0
    with Store(DEFAULT_BUDGET, path.parent) as store:
        settled = _correct_biases(
            model, spread(model, batches, affordable(batches, _SAMPLES_FOR_BIASES)), options, store
        )
    write_int8(serialized(settled.program, what), opset, _told(feeds, progress), path, what)
    if not is_quantized(read(path)[1]):
        raise ModelError(what, "it cannot be quantised: no operator in it has an int8 form", "leave it in float")
    open_session(path, options)
    samples = sum(len(next(iter(feed.values()))) for feed in feeds)
    return Quantization(str(path), samples, size, path.stat().st_size, model.notices)


def _correct_biases(model: Model, feeds: Sequence[dict[str, Values]], options: RunOptions, store: Store) -> Model:
    """The model with its batch normalisations folded and its convs' mean responses right once weights are rounded.

    It is left alone where it fixes a batch that is larger than the feeds are.
    """
    folded = fold_batch_norm(model, {conv.name for conv in find_convs(model)})
    if not feeds:
        return folded
    shifts = mean_shifts(folded, _rounded(folded), feeds, options, store)
    layers = {conv.name for conv in find_convs(folded)}
    return shift_biases(folded, {layer_name(name, layers): shift for name, shift in shifts.items()})


def _rounded(model: Model) -> Model:
    """A copy of the model whose convs have the kernels that int8 holds, with one scale for each output channel."""
    copy = replace(model, program=model.program.clone())
    names = Names(copy.program)
    for conv in find_convs(copy):
        if conv.refusal is not None or conv.dtype != "float32":
            continue
        kernel, bias = conv.kernel().astype(np.float64), conv.bias()
        if not np.isfinite(kernel).all():
            raise ModelError(model.file.path, f"weights of {conv.name!r} are NaN or infinite", "export the model again")
        largest = np.abs(kernel).max(axis=tuple(range(1, kernel.ndim)), keepdims=True)
        scale = np.where(largest > 0, largest, 1) / 127  # without -128
        step = ConvStep(
            conv.known_site.spec, np.rint(kernel / scale) * scale, None if bias is None else bias.astype(np.float64)
        )
        replace_conv(conv, (step,), names)
    return copy


def _told(feeds: list[dict[str, Values]], progress: Progress) -> Iterator[dict[str, Values]]:
    """The feeds, each reported when it has been run."""
    for done, feed in enumerate(feeds, start=1):
        yield feed
        progress("quantize", done, len(feeds))
