"""Where the layers of a fit are kept, and what they depend on."""

from __future__ import annotations

from pathlib import Path

from convprof.data import Batches
from convprof.errors import OutputError
from convprof.files import read_record
from convprof.fitting.keeping import KEY, KeptLayers
from convprof.fitting.plans import in_order
from convprof.graph import Model, weights_digest
from convprof.records.fit import FitKey
from convprof.records.plan import Plan
from convprof.runtime import RunOptions, environment


def keep(
    output: Path, model: Model, plan: Plan, batches: Batches | None, options: RunOptions, seed: int, resume: bool
) -> KeptLayers:
    """The layers kept beside `output`, in a folder of its name with `.fit` behind it; without data none.

    What lies there already is removed, or with `resume` gone on with. Raises UsageError where that was fitted to
    something else, DataError where it cannot be read, and OutputError where it cannot be removed or is no folder.
    """
    place = output.absolute()
    key = None if batches is None else _key(model, plan, batches, options, seed)
    kept = KeptLayers(place.with_name(f"{place.name}.fit"), key)
    if key is not None and kept.folder.exists() and not kept.folder.is_dir():
        raise OutputError(str(kept.folder), "it is there already and is not a folder", "choose another output")
    if resume:
        kept.check()
    else:
        kept.discard()
    return kept


def left_behind(output: Path) -> FitKey | None:
    """What a fit for `output` was fitted to that was cut short; raises DataError for a damaged file."""
    place = output.absolute()
    key = place.with_name(f"{place.name}.fit") / KEY
    return read_record(key, FitKey) if key.exists() else None


def _key(model: Model, plan: Plan, batches: Batches, options: RunOptions, seed: int) -> FitKey:
    """Everything that decides, to the last bit, how the layers of `plan` are fitted."""
    here = environment(options)
    return FitKey(
        schema="convprof.fit/1",
        convprof=here.convprof,
        libraries=(here.onnxruntime, here.numpy, here.cpu),
        model=model.file.sha256,
        weights=weights_digest(model),
        inputs=model.inputs,
        layers=tuple(layer for _, layer in in_order(model, plan)),
        data=batches.fingerprint,
        seed=seed,
        budget=plan.budget,
        threads=options.threads,
        providers=options.providers,
        inter_op_threads=options.inter_op_threads,
        graph_optimization=options.graph_optimization,
        session_options=here.session_options,
    )
