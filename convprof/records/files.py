"""Records to and from JSON: `encode`, `decode` with an error that names the field, and the schema of each type."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from convprof.errors import DataError
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.comparison import RunComparison
from convprof.records.cost import Cost
from convprof.records.damage import KeptDamage
from convprof.records.fidelity import Fidelity
from convprof.records.pictures import Pictures
from convprof.records.plan import Plan
from convprof.records.planning import Planning
from convprof.records.prices import LatencyTable
from convprof.records.run import Run
from convprof.records.tuning import Tuning

T = TypeVar("T")

FORMATS: dict[str, type[msgspec.Struct]] = {
    "analysis": Analysis,
    "plan": Plan,
    "planning": Planning,
    "latency": LatencyTable,
    "damage": KeptDamage,
    "fidelity": Fidelity,
    "benchmark": Benchmark,
    "run": Run,
    "pictures": Pictures,
    "comparison": RunComparison,
    "cost": Cost,
    "tuning": Tuning,
}


def encode(record: msgspec.Struct) -> str:
    """The record as indented JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n"


def decode(text: bytes, kind: type[T], what: str) -> T:
    """Read JSON as a record of type `kind`; `what` names the file in the error."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(what, f"not a {kind.__name__.lower()}: {error}", "see `convprof schema`") from error


def schema(name: str) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the format called `name` in FORMATS."""
    return msgspec.json.schema(FORMATS[name])
