"""Which layer of the original model each node of an optimised graph serves.

By name, where a name tells. What the runtime put in by itself has a name that tells nothing, and is found by what it
moves: in the order of the run, a node that hands on what was just written serves the one that wrote it, and a node
that makes ready serves the one that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from convprof.records.probes import KernelTimes

_AFTER = ("ReorderOutput", "MemcpyToHost")
_BEFORE = ("ReorderInput", "MemcpyFromHost")
_EITHER = ("Transpose", "Cast")

_DECORATION = re.compile(r"(_nchwc|_token_\d+)+$")
"""What ORT appends: the blocked layout, and the number that makes a generated name unique."""

_REST = re.compile(r"_output_\d+|/convprof/.+")


def node_layers(
    nodes: Sequence[KernelTimes], layers: Sequence[str], owners: Mapping[str, str] = MappingProxyType({})
) -> list[str | None]:
    """The layer that each of `nodes`, in the order they ran, belongs to; "" for none, None where nothing tells.

    onnxruntime runs a Conv under one of two names: the node's own (also after it absorbed an activation), or, in the
    blocked layout, the *tensor* that it writes followed by `_nchwc`; and that tensor is the output of the last node
    it absorbed before the layout changed, `relu_4_nchwc` for conv_3 + relu_4. No rule on names can see that, so
    `owners` says which layer a name belongs to: for each conv its own, its output's, and from there on the output of
    each element-wise node (activation, BatchNormalization, Mul, Add, Identity) that is the only reader of the one
    before; and "" for the rest of the graph.

    Without `owners` a name belongs to the longest layer name L for which it is L, L's output as torch exports it
    (`L_output_0`), or one of the nodes that replace L (`L/convprof/...`).
    """
    known = {layer: layer for layer in layers} | dict(owners)
    named = [_by_name(node.name, known) for node in nodes]
    return [_by_place(nodes, named, place) if layer is None else layer for place, layer in enumerate(named)]


def _by_name(name: str, known: Mapping[str, str]) -> str | None:
    """The layer that a name speaks of."""
    bare = _DECORATION.sub("", name)
    for each in (name, bare):
        if each in known:
            return known[each]
    stems = [stem for stem in known if stem and bare.startswith(stem) and _REST.fullmatch(bare, len(stem))]
    return known[max(stems, key=len)] if stems else None


def _by_place(nodes: Sequence[KernelTimes], named: Sequence[str | None], place: int) -> str | None:
    """The layer that a node serves which the runtime put in between others."""
    op = nodes[place].op
    if op in _AFTER:
        return _writer(nodes, named, place)
    if op in _BEFORE:
        return _reader(nodes, named, place)
    if op in _EITHER:
        reader = _reader(nodes, named, place)
        return _writer(nodes, named, place) if reader is None else reader
    return None


def _writer(nodes: Sequence[KernelTimes], named: Sequence[str | None], place: int) -> str | None:
    """Of the nearest node before that wrote what the one at `place` reads."""
    return _first(((nodes[i].writes, named[i]) for i in range(place - 1, -1, -1)), nodes[place].reads[:1])


def _reader(nodes: Sequence[KernelTimes], named: Sequence[str | None], place: int) -> str | None:
    """Of the nearest node after that reads what the one at `place` writes."""
    return _first(((nodes[i].reads, named[i]) for i in range(place + 1, len(nodes))), nodes[place].writes[:1])


def _first(
    others: Iterable[tuple[Sequence[tuple[int, ...]], str | None]], wanted: Sequence[tuple[int, ...]]
) -> str | None:
    """The layer of the first of `others` that has a layer and the shape."""
    return next((layer for shapes, layer in others if layer is not None and set(wanted) & set(shapes)), None)
