"""Columns from `package.module:function`: the user's own code, whose failures name the function and stay one line."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from convprof.data.columns import Array, ArrayColumn, Column
from convprof.errors import DataError

YIELD = "yield dicts from input name to array, or arrays where the model has a single input"


def is_function(source: str) -> bool:
    """Whether `source` is written as `package.module:function`."""
    return re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", source) is not None


def read_function(source: str, limit: int | None) -> dict[str, Column]:
    """All feeds that the function yields, joined along axis 0; a feed that is an array counts as `x`.

    With a limit no more feeds are taken than have so many samples. Raises DataError where the function cannot be
    imported, fails, or yields feeds that do not go together.
    """
    feeds: list[dict[str, Array]] = []
    count = 0
    for number, value in enumerate(_pull(source, limit)):
        feed = _feed(source, number, value)
        _check_alike(source, number, feed, feeds[0] if feeds else feed)
        feeds.append(feed)
        count += len(next(iter(feed.values())))
        if limit is not None and count >= limit:
            break
    if not feeds:
        raise DataError(source, "yields nothing", YIELD)
    return {name: ArrayColumn(np.concatenate([feed[name] for feed in feeds])) for name in feeds[0]}


def _pull(source: str, limit: int | None) -> Iterator[object]:
    """What the function yields, its exceptions as DataError."""
    function = _load(source)
    with _users_code(source, "failed"):
        values = function()
    if isinstance(values, (np.ndarray, Mapping)):
        raise DataError(source, f"returns one {type(values).__name__}, not several feeds", YIELD)
    if not isinstance(values, Iterable):
        raise DataError(source, f"returns {type(values).__name__}, which cannot be iterated over", YIELD)
    with _users_code(source, "failed"):
        iterator = iter(values)
    while True:
        with _users_code(source, "failed"):
            try:
                value = next(iterator)
            except StopIteration:
                return
        yield value


def _load(source: str) -> Callable[[], object]:
    module_name, _, name = source.partition(":")
    with _users_code(source, "cannot be imported"), _working_directory_importable():
        module = importlib.import_module(module_name)
    function: object = getattr(module, name, None)
    if not callable(function):
        raise DataError(source, f"{module_name} has no function {name}", f"define {name}() there: {YIELD}")
    return function


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    directory = str(Path.cwd())
    sys.path.insert(0, directory)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if directory in sys.path:
            sys.path.remove(directory)


@contextmanager
def _users_code(source: str, happened: str) -> Iterator[None]:
    """Whatever the user's code raises, `sys.exit` included, becomes a DataError."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise DataError(source, f"{happened}: {type(error).__name__}: {error}", "mend it and run again") from error


def _feed(source: str, number: int, value: object) -> dict[str, Array]:
    """The feed as copies, since a generator may fill the same arrays again."""
    named = value if isinstance(value, Mapping) else {"x": value}
    with _users_code(source, f"feed {number} is not made of arrays"):
        feed = {str(name): np.array(array) for name, array in named.items()}
    if not feed:
        raise DataError(source, f"feed {number} is empty", YIELD)
    for name, array in feed.items():
        if array.dtype.hasobject or array.ndim == 0:
            why = f"feed {number}: {name!r} is not an array of numbers with samples on axis 0"
            raise DataError(source, why, YIELD)
    if len({len(array) for array in feed.values()}) > 1:
        counts = ", ".join(f"{name} {len(array)}" for name, array in feed.items())
        raise DataError(source, f"feed {number} has unequal sample counts: {counts}", "put samples on axis 0 of each")
    return feed


def _check_alike(source: str, number: int, feed: dict[str, Array], first: dict[str, Array]) -> None:
    if feed.keys() != first.keys():
        why = f"feed {number} has the names {', '.join(feed)}, feed 0 has {', '.join(first)}"
        raise DataError(source, why, "yield the same names in every feed")
    for name, array in feed.items():
        if (array.shape[1:], array.dtype) != (first[name].shape[1:], first[name].dtype):
            why = (
                f"feed {number} has {name!r} as {array.dtype} {array.shape}, "
                f"feed 0 as {first[name].dtype} {first[name].shape}"
            )
            raise DataError(source, why, "yield one type and, apart from axis 0, one shape for each name")
