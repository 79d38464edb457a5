"""Options as people write them."""

from __future__ import annotations

import pytest

from convprof.cli.reading import read_batches, read_bytes
from convprof.cli.running import GRAPH_OPTIMIZATIONS
from convprof.errors import UsageError
from convprof.runtime import options


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 << 30),
        ("512MiB", 512 << 20),
        ("2GB", 2_000_000_000),
        ("1.5 kib", 1536),
        ("100B", 100),
        ("0B", 0),
        (" 1TiB ", 1 << 40),
        ("64kb", 64_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert read_bytes(text, "--memory") == size


@pytest.mark.parametrize(
    "text", ["", "4", "GiB", "-1GiB", "1e9B", "nanB", "4GiBs", "4 G iB", "4ib", "\u0664GB", "9" * 40 + "B", "1,5GB"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="512MiB"):
        read_bytes(text, "--memory")


@pytest.mark.parametrize(
    ("texts", "sizes"), [((), ()), (("8",), (8,)), (("1, 8,32",), (1, 8, 32)), (("8,1", "8", "2"), (8, 1, 2))]
)
def test_batches_keep_their_order_and_stand_once(texts: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    assert read_batches(texts) == sizes


def test_levels_are_those_of_the_runtime() -> None:
    assert tuple(options.GRAPH_OPTIMIZATIONS) == GRAPH_OPTIMIZATIONS
