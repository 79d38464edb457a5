"""The verbs that write another model: rewrite, as a plan or an option says, and quantize."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from convprof import (
    analysis,
    fitting,
    notices,
    planning,
    quantization,
    rewriting,
)
from convprof.errors import UsageError
from convprof.execution import Sizes
from convprof.files import keep_apart, read_record, staged
from convprof.graph import convs_behind
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.pipeline.emitting import fastest
from convprof.pipeline.opening import ONE_THREAD, open_to_fit
from convprof.pipeline.steps import fit, summaries
from convprof.records.plan import EmissionOption, Plan
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark
from convprof.records.run import Quantization, Rewriting
from convprof.runtime import RunOptions


def rewrite(
    model: str | Path,
    output: str | Path,
    *,
    plan: str | Path | Plan | None = None,
    form: str | None = None,
    rank: Sequence[int] = (),
    emission: EmissionOption | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    calibration: str | None = None,
    preprocess: str | None = None,
    init: str = "calibrated",
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    options: RunOptions = ONE_THREAD,
    seed: int = 0,
    memory: int = DEFAULT_BUDGET,
    resume: bool = False,
    progress: Progress = silent,
) -> Rewriting:
    """Convert the layers of `plan` (or all that suit `form` at `rank`) and write the new model to `output`.

    The emission "auto" is the one that takes the least time here; by default it is the form's first one.
    The factors are fitted to the calibration data; without, to synthetic pictures where the model takes pictures. For
    other models, or with init="weights", they are fitted to the weights alone. The fit holds `memory` bytes of
    activations, what is more lies on disk beside the output. `resume` goes on with the layers that a fit that was cut
    short has left in `output`.fit.
    """
    if (plan is None) == (form is None):
        raise UsageError("rewrite", "it takes a plan, or a form with its rank", "give --plan or --form and --rank")
    keep_apart(Path(output), [Path(model)])
    opened, batches = open_to_fit(Path(model), input_shapes, dims, calibration, preprocess, seed)
    counted = analysis.analyze(opened, max_rank=0)
    remarks = list(opened.notices)
    seen = None if init == "weights" else batches
    if plan is not None:
        chosen = plan if isinstance(plan, Plan) else read_record(Path(plan), Plan)
        if chosen.model.sha256 != opened.file.sha256:
            remarks.append(Remark("plan-for-another-file", f"the plan was made for {chosen.model.path}, another file"))
    else:
        convs = planning.select(counted, only, skip)
        if emission == "auto":
            chosen = fastest(opened, counted, convs, form or "", tuple(rank), batches, options, seed, progress)
        else:
            chosen = planning.uniform(counted, convs, form or "", tuple(rank), emission)
        if seen is not None:
            behind = convs_behind(opened, {layer.name for layer in chosen.layers})
            chosen = planning.refitted(chosen, counted, convs, behind)
        if (chosen.predicted.macs or 0) >= counted.totals.macs:
            remarks.append(notices.NO_FEWER_MACS)
    remarks += notices.of_fit(opened, seen, preprocess)
    prepared = rewriting.prepare(opened, chosen)
    with ExitStack() as ends, staged(Path(output).parent) as folder:
        kept = ends.enter_context(fitting.keep(Path(output), prepared, chosen, seen, options, seed, resume))
        fitted = fit(prepared, chosen, seen, options, seed, Store(memory, folder), kept, progress)
        rewriting.rewrite(prepared, chosen, fitted, folder / Path(output).name)
    remarks += kept.notices
    return Rewriting(str(output), chosen, summaries(fitted), tuple(remarks))


def quantize(
    model: str | Path,
    output: str | Path,
    *,
    calibration: str | None = None,
    preprocess: str | None = None,
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    options: RunOptions = ONE_THREAD,
    seed: int = 0,
    progress: Progress = silent,
) -> Quantization:
    """Write the model as static int8 to `output`, its ranges taken from the calibration data, as `rewrite` takes it."""
    keep_apart(Path(output), [Path(model)])
    opened, batches = open_to_fit(Path(model), input_shapes, dims, calibration, preprocess, seed)
    if batches is None:
        raise UsageError("quantize", "nothing says what the model will see", "give --calibration DATA")
    with staged(Path(output).parent) as folder:
        made = quantization.quantize(opened, batches, folder / Path(output).name, options=options, progress=progress)
    return msgspec.structs.replace(made, path=str(output))
