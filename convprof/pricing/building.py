"""Writes the models to time into a folder, and says what stands in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from convprof._version import __version__
from convprof.errors import PlanError
from convprof.forms import FORMS, PLANNABLE
from convprof.graph import (
    ConvNode,
    Model,
    Names,
    Pool,
    find_convs,
    fold_batch_norm,
    he_like,
    layer_owners,
    replace_conv,
    save_disguised,
)
from convprof.pricing.variants import variants
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.convs import ConvSite
from convprof.records.factors import Arrangement, Factors
from convprof.records.plan import PlannedLayer
from convprof.records.probes import Probe, Probes


def build(
    model: Model, analysis: Analysis, convs: Sequence[ConvReport], forms: Collection[str], folder: Path
) -> tuple[Probes, tuple[Path, ...]]:
    """Write the model as it is and one for each candidate of `convs` into `folder`: the manifest, and all files.

    Raises PlanError for an unknown form, or where the convs have no candidate.
    """
    unknown = next((name for name in forms if name not in FORMS), None)
    if unknown is not None:
        raise PlanError(f"form {unknown!r}", "there is no such form", f"known are {', '.join(FORMS)}")
    names = {conv.name for conv in convs}
    # The runtime folds what is left dense in a probe by itself: one folded model serves all.
    folded = fold_batch_norm(model, names)
    sites = {conv.name: conv.known_site for conv in find_convs(folded) if conv.name in names}
    chosen = tuple(variants([conv for conv in find_convs(model) if conv.name in names], forms))
    if len(chosen) < 2:
        raise PlanError(analysis.model.path, "no form is cheaper than any of the convs", "allow more layers or forms")
    layers, pool = tuple(conv.name for conv in analysis.convs), Pool()
    made: list[Probe] = []
    for number, variant in enumerate(chosen):
        path = folder / f"{number}.onnx"
        probe = _replaced(folded, variant.layers, sites) if variant.layers else model
        save_disguised(probe, path, pool)
        made.append(Probe(variant.label, path.name, variant.layers, layer_owners(probe, layers)))
    files = (*(folder / probe.file for probe in made), *pool.write(folder))
    manifest = Probes(
        "convprof.probes/1", __version__, model.file, model.inputs, _precision(convs), layers, tuple(made)
    )
    return manifest, files


def stand_in(model: Model, layers: Sequence[PlannedLayer], folder: Path) -> Path:
    """Write the model with `layers` in it, but for the numbers, into `folder`, where all its files lie."""
    names = {layer.name for layer in layers}
    folded, pool = fold_batch_norm(model, names), Pool()
    sites = {conv.name: conv.known_site for conv in find_convs(folded) if conv.name in names}
    path = folder / "model.onnx"
    save_disguised(_replaced(folded, layers, sites), path, pool)
    pool.write(folder)
    return path


def _replaced(folded: Model, layers: Sequence[PlannedLayer], sites: Mapping[str, ConvSite]) -> Model:
    """A copy of the model with `layers` in it."""
    result = replace(folded, program=folded.program.clone())
    names, convs = Names(result.program), {conv.name: conv for conv in find_convs(result)}
    for layer in layers:
        replace_conv(convs[layer.name], _arrangement(convs[layer.name], layer, sites[layer.name]), names)
    return result


def _arrangement(conv: ConvNode, layer: PlannedLayer, site: ConvSite) -> Arrangement:
    """The candidate as it would be emitted, but for the numbers: a fitted chain has a bias."""
    form = PLANNABLE[layer.form]
    weights = tuple(he_like(spec.weight_shape) for spec in form.chain(site.spec, layer.rank))
    return form.arrange(Factors(weights, he_like((site.spec.out_channels,))), site.spec, layer.emission)


def _precision(convs: Sequence[ConvReport]) -> str:
    """The element type of the convs, or several with a + between."""
    return "+".join(sorted({conv.dtype or "unknown" for conv in convs}))
