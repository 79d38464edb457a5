"""Chains that convprof wrote in the place of a conv, each made one step that composes its kernel and runs it densely.

The weights stay the chain's own, under their names; only how they are used changes. Training is many times faster so
on CPUs, where the backward pass of depthwise convs is slow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from torch import Tensor

from convprof.records.network import Network, Step
from convprof.torch.module import Module
from convprof.torch.ops.composed import Chain
from convprof.torch.specialising import sources

MARK = "/convprof/"
DOMAIN, OP = "convprof", "ComposedConv"
_LARGEST = 1 << 27
"""Elements of a composed kernel: what would be larger stays a chain."""
_PARTS = frozenset({"Conv", "Add", "Concat"})


def chains(module: Module) -> tuple[Chain, ...]:
    """The chains of the module's graph that equal one conv each."""
    return tuple(_chains(module.network, _weights(module)))


def compose(module: Module) -> Network:
    """Let the module run each of its chains as one dense conv; returns its network as it was, for `Module.rewire`.

    Values within a chain can no longer be asked for. Chains that no one conv equals stay as they are.
    """
    before = module.network
    module.rewire(composed(module))
    return before


def composed(module: Module) -> Network:
    """The module's network with each of its chains as one dense conv; the module stays as it is."""
    return _composed(module.network, _weights(module))


def _weights(module: Module) -> dict[str, Tensor]:
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: held[place].detach().to("meta") for place, name in module.names.items()}


def _composed(network: Network, weights: Mapping[str, Tensor]) -> Network:
    ends = {id(chain.steps[-1]): chain for chain in _chains(network, weights)}
    inner = {id(step) for chain in ends.values() for step in chain.steps[:-1]}
    steps = tuple(
        _step(ends[id(step)]) if id(step) in ends else step for step in network.steps if id(step) not in inner
    )
    return replace(network, steps=steps)


def _step(chain: Chain) -> Step:
    last = chain.steps[-1]
    return Step(OP, DOMAIN, (chain.source, *chain.factors), (chain.result,), {"chain": chain}, last.name)


def _chains(network: Network, weights: Mapping[str, Tensor]) -> Iterator[Chain]:
    groups: dict[str, list[Step]] = defaultdict(list)
    for step in network.steps:
        layer, mark, _ = step.name.rpartition(MARK)
        if mark and step.domain == "" and step.op_type in _PARTS:
            groups[layer].append(step)
    readers = _readers(network)
    for steps in groups.values():
        chain = _chain(steps, weights, readers) if len(steps) > 1 else None
        if chain is not None:
            yield chain


def _readers(network: Network) -> dict[str, list[int]]:
    """For each value the steps that read it, by their id; 0 stands for the outputs of the network."""
    found: dict[str, list[int]] = defaultdict(list)
    for step in network.steps:
        for name in sources(step):
            found[name].append(id(step))
    for name in network.outputs:
        found[name].append(0)
    return found


def _chain(steps: list[Step], weights: Mapping[str, Tensor], readers: Mapping[str, Iterable[int]]) -> Chain | None:
    """The chain that the steps make, None where they make none or no one conv is the same."""
    made = {step.outputs[0] for step in steps}
    inside = {id(step) for step in steps}
    *inner, result = (step.outputs[0] for step in steps)
    if any(len(step.outputs) != 1 for step in steps) or any(not inside.issuperset(readers[name]) for name in inner):
        return None
    read = dict.fromkeys(name for step in steps for name in step.inputs if name and name not in made)
    outside = [name for name in read if name not in weights]
    if len(outside) != 1:
        return None
    chain = Chain(tuple(steps), outside[0], tuple(name for name in read if name in weights), result)
    try:
        whole = chain.compose([weights[name] for name in chain.factors])
    except (ValueError, KeyError, RuntimeError):  # whatever a file calls so need not be what convprof wrote
        return None
    return chain if whole.kernel.numel() <= _LARGEST else None
