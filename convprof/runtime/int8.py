"""Static int8 by onnxruntime's own quantisation: what people would do who do not factor anything.

QDQ, one scale a channel for weights (s8), one a tensor for activations (u8, ranges from the smallest to the largest
value seen): the kinds that onnxruntime's CPU kernels are fast with. Why these: docs/decisions/0021-int8.md.
"""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from convprof.errors import ConvprofError, ModelError, OutputError
from convprof.runtime.library import ort, quantizer
from convprof.runtime.probe import SILENT
from convprof.runtime.sessions import Feeds, first_line

_SCALES_BY_CHANNEL = 13
"""The first version of ONNX in which a weight has one scale a channel; models below it get onnxruntime's operators."""
_DEFAULT_SEVERITY = 2


def quantize(source: bytes, opset: int, feeds: Iterable[Feeds], target: Path, what: str) -> None:
    """Write the float model `source`, of ONNX's version `opset`, as int8 to `target`; `feeds` say what it will see.

    Each feed is one run, and one at a time is held. Batch normalisations are folded and constants computed first. What
    lies beside `target` meanwhile goes with the call. The runs take as many threads as onnxruntime likes: nobody asks
    us. `what` names the model in errors.

    Raises ModelError where onnxruntime cannot run or quantise the model, OutputError where `target` cannot be written,
    and what `feeds` raises.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".convprof-", dir=target.parent) as folder, _hushed():
            _quantize(source, opset, feeds, target, Path(folder))
    except ConvprofError:
        raise
    except OSError as error:
        raise OutputError(str(target), error.strerror or str(error), "choose a place that can be written") from error
    except Exception as error:  # neither the quantiser's own exceptions nor those of the runtime share a base
        raise ModelError(what, f"it cannot be quantised: {first_line(error)}", "leave it in float") from error


def _quantize(source: bytes, opset: int, feeds: Iterable[Feeds], target: Path, folder: Path) -> None:
    tool, given, prepared = quantizer(), folder / "float.onnx", folder / "prepared.onnx"
    given.write_bytes(source)
    # The symbolic inference of shapes needs sympy, which is not ours to ask for, and finds what others find.
    tool.quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
    tool.quantize_static(
        str(prepared),
        str(target),
        _Reader(feeds),
        quant_format=tool.QuantFormat.QDQ,
        per_channel=True,
        activation_type=tool.QuantType.QUInt8,
        weight_type=tool.QuantType.QInt8,
        calibrate_method=tool.CalibrationMethod.MinMax,
        extra_options={"UseQDQContribOps": opset < _SCALES_BY_CHANNEL},
    )


class _Reader:
    """Hands out feeds one by one, as the quantiser asks for them; it takes anything that has this method."""

    def __init__(self, feeds: Iterable[Feeds]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feeds | None:
        """The next feed, None after the last."""
        return next(self._feeds, None)


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what the quantiser prints, logs and lets onnxruntime log off the terminal.

    It logs through the root logger, which without a handler would be given one that stays.
    """
    root, nowhere = logging.getLogger(), logging.NullHandler()
    root.addHandler(nowhere)
    root.addFilter(_refuse)
    ort().set_default_logger_severity(SILENT)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        ort().set_default_logger_severity(_DEFAULT_SEVERITY)
        root.removeFilter(_refuse)
        root.removeHandler(nowhere)


def _refuse(record: logging.LogRecord) -> bool:
    """A filter that lets nothing pass."""
    return False
