"""Damaged files end in a DataError or do no harm, whatever is damaged."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from convprof.data import open_data
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec

SPEC = TensorSpec("v", "uint8", (None, 8, 8, 3))
PICTURES = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)


def _content(suffix: str) -> bytes:
    stream = io.BytesIO()
    if suffix == ".npz":
        np.savez_compressed(stream, v=PICTURES)
    elif suffix == ".npy":
        np.save(stream, PICTURES)
    else:
        Image.fromarray(PICTURES[0]).save(stream, suffix[1:])
    return stream.getvalue()


CONTENTS = {suffix: _content(suffix) for suffix in (".npz", ".npy", ".png", ".bmp", ".jpeg", ".webp", ".tiff")}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", CONTENTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_ends_in_a_data_error(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    content = bytearray(CONTENTS[suffix])
    places = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(places)] if data.draw(st.booleans()) else content
    folder = tmp_path / suffix[1:]
    folder.mkdir(exist_ok=True)
    (folder / f"d{suffix}").write_bytes(content)
    source = folder / f"d{suffix}" if suffix.startswith(".np") else folder
    with suppress(DataError):
        assert open_data(str(source), (SPEC,)).first(1)["v"].shape == PICTURES.shape
