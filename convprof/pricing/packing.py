"""Packs the models to time, and the program that times them, for another machine."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from convprof.files import keep_apart, staged
from convprof.graph import Model
from convprof.pricing.building import build
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.files import encode
from convprof.records.probes import Probes
from convprof.runtime import PROBE_SCRIPT, Feeds


def pack(
    model: Model, analysis: Analysis, convs: Sequence[ConvReport], forms: Collection[str], feeds: Feeds, path: Path
) -> Probes:
    """Write a zip to `path` with all that `python probe.py` needs to time every candidate of `convs` elsewhere.

    It holds the models with stand-ins for their weights, `feeds`, a manifest, which is returned, and probe.py, which
    needs onnxruntime and numpy. What it writes is read by `read`. Raises PlanError where there is no candidate and
    OutputError where `path` cannot be written.
    """
    keep_apart(path, [Path(model.file.path)])
    with staged(path.parent) as stage, tempfile.TemporaryDirectory(prefix="work-", dir=stage) as work:
        folder = Path(work)
        probes, files = build(model, analysis, convs, forms, folder)
        inputs = folder / "feeds.npz"
        np.savez(inputs, allow_pickle=False, **{str(n): feeds[spec.name] for n, spec in enumerate(model.inputs)})
        with zipfile.ZipFile(stage / path.name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(PROBE_SCRIPT, "probe.py")
            archive.writestr("manifest.json", encode(probes))
            for file in (inputs, *files):
                archive.write(file, file.name)
    return probes
