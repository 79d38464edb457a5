"""Writes a model as int8, without replacing anything: what a conversion has to be better than, or ends with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convprof.data import Batches
from convprof.errors import DataError, ModelError
from convprof.execution import Values, fixed_batch, spread
from convprof.graph import Model, is_quantized, read, serialized, stored_bytes
from convprof.records.progress import Progress, silent
from convprof.records.run import Quantization
from convprof.runtime import RunOptions, open_session
from convprof.runtime import quantize as write_int8

_SAMPLES = 256
# The samples are held at once: fewer where they are large.
_LARGEST_FEEDS = 1 << 30
# The quantiser holds models as protobuf messages, which end at 2 GB.
_LARGEST = 3 << 29


def quantize(
    model: Model, batches: Batches, path: Path, *, options: RunOptions, progress: Progress = silent
) -> Quantization:
    """Write the float `model` as int8 to `path`; activations get the range that they have on some of the samples.

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
    feeds = spread(model, batches, _samples(batches))
    if not feeds:
        why = f"{batches.count} samples do not fill the model's batch of {fixed_batch(model)}"
        raise DataError(batches.what, why, "give more")
    opset = model.program.opset_imports.get("") or 0
    write_int8(serialized(model.program), opset, _told(feeds, progress), path, what)
    if not is_quantized(read(path)[1]):
        raise ModelError(what, "it cannot be quantised: no operator in it has an int8 form", "leave it in float")
    open_session(path, options)
    samples = sum(len(next(iter(feed.values()))) for feed in feeds)
    return Quantization(str(path), samples, size, path.stat().st_size, model.notices)


def _samples(batches: Batches) -> int:
    size = sum(array.nbytes for array in batches.first(1).values())
    return max(1, min(_SAMPLES, _LARGEST_FEEDS // max(size, 1)))


def _told(feeds: list[dict[str, Values]], progress: Progress) -> Iterator[dict[str, Values]]:
    """The feeds, each reported when it has been run."""
    for done, feed in enumerate(feeds, start=1):
        yield feed
        progress("quantize", done, len(feeds))
