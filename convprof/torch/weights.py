"""Which constants of a graph are weights, and under which names a torch module holds them.

A weight is a floating-point constant that a place for weights reads: the kernel and bias of a convolution, the scale of
a normalisation, a matrix. Places that may hold any number, such as an operand of Add, count where the constant is no
single number and has at most one axis that is longer than one (a bias or a scale by channel) and the other operand is
computed from a weight. What a place reads may have been transposed, reshaped or computed from constants in other ways:
then the weights are where that began. Means and variances of BatchNormalization are statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from convprof.graph.naming import unused
from convprof.records.network import Network, Step

_PLACES: Mapping[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "Einsum": (0, 1, 2),
    "PRelu": (1,),
    "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "RMSNormalization": (1,),
    "LSTM": (1, 2, 3, 7),
    "GRU": (1, 2, 3),
    "RNN": (1, 2, 3),
}
_BY_CHANNEL = frozenset({"Add", "Sub", "Mul", "Div"})
_STATISTICS = slice(3, 5)
# Through these a weight does not reach its place: what is behind them is a number of another kind.
_OPAQUE = frozenset({"DequantizeLinear", "QuantizeLinear", "Shape", "Size", "ConstantOfShape"})
_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_DEEPEST = 16


@dataclass(frozen=True)
class Held:
    """Names of the constants that train, and of those that only follow the data."""

    parameters: tuple[str, ...]
    statistics: tuple[str, ...]


def held_constants(network: Network) -> Held:
    """The weights and the statistics among the network's own constants, in the order in which nodes read them."""
    makers = {name: step for step in network.steps for name in step.outputs if name}
    constant = _constant_values(network)
    statistics = tuple(
        name
        for step in network.steps
        if (step.domain, step.op_type) == ("", "BatchNormalization")
        for name in _fitting(network, step.inputs[_STATISTICS])
    )
    placed = {
        name
        for step in network.steps
        for read in _in_places(step)
        if read in constant
        for name in _origins(read, network, makers)
    }
    parameters: dict[str, None] = {}
    learned = set(placed)
    for step in network.steps:
        moved = learned.intersection(step.inputs)
        if moved:
            learned.update(step.outputs)
        if moved and step.op_type in _BY_CHANNEL and step.domain == "":
            placed.update(_by_channel(network, step.inputs))
        parameters |= dict.fromkeys(name for name in step.inputs if name in placed)
    return Held(tuple(name for name in parameters if name not in statistics), tuple(dict.fromkeys(statistics)))


def _constant_values(network: Network) -> set[str]:
    """Names of the values that are the same for every input."""
    constant = {"", *network.constants}
    for step in network.steps:
        if constant.issuperset(step.inputs):
            constant.update(step.outputs)
    return constant


def _in_places(step: Step) -> Iterator[str]:
    """What the step reads in its places for weights."""
    places = _PLACES.get(step.op_type, ()) if step.domain == "" else ()
    return (step.inputs[place] for place in places if place < len(step.inputs))


def _by_channel(network: Network, names: Iterable[str]) -> Iterator[str]:
    """Those that are constants with exactly one axis that is longer than one."""
    for name in _fitting(network, names):
        if [size > 1 for size in network.constants[name].shape].count(True) == 1:
            yield name


def _fitting(network: Network, names: Iterable[str]) -> Iterator[str]:
    """Those that are floating-point constants and can be written back."""
    for name in names:
        array = network.constants.get(name)
        if name in network.stored and array is not None and array.dtype.name in _FLOATS:
            yield name


def _origins(name: str, network: Network, makers: Mapping[str, Step]) -> Iterator[str]:
    """The constants that a constant value is computed from, or itself; single numbers on the way are no weights."""
    if name in network.constants:
        yield from _fitting(network, [name])
        return
    found: list[str] = []
    ahead, seen = [name], {name}
    while ahead:
        step = makers.get(ahead.pop())
        if step is None or step.op_type in _OPAQUE:
            continue
        fresh = [source for source in step.inputs if source not in seen]
        seen.update(fresh)
        found += [source for source in fresh if source in network.constants]
        ahead += fresh
    yield from (each for each in _fitting(network, found) if network.constants[each].size > 1)


def mount(root: nn.Module, names: Iterable[str]) -> dict[str, tuple[nn.Module, str]]:
    """A place in `root` for each name: "layer1.0.weight" stands in the modules `layer1` and `0` as `weight`.

    So a network that torch exported has its own names again. Where torch has no such place (an empty part, a name that
    modules have already, a name that another one goes through) the dots become underscores, and a number is added.
    """
    names = tuple(names)
    reserved = {*dir(root), *vars(root)}
    through = {part for name in names for part in _prefixes(name)}
    taken = {*reserved, *through, *names}
    places: dict[str, tuple[nn.Module, str]] = {}
    for name in names:
        parts = name.split(".")
        if not all(parts) or not reserved.isdisjoint(parts) or len(parts) > _DEEPEST or name in through:
            parts = [unused(name.replace(".", "_") or "weight", taken)]
        module = root
        for part in parts[:-1]:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        places[name] = (module, parts[-1])
    return places


def _prefixes(name: str) -> Iterator[str]:
    """For "a.b.c": "a" and "a.b"."""
    parts = name.split(".")[:_DEEPEST]
    return (".".join(parts[:count]) for count in range(1, len(parts)))
