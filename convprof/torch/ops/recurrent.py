"""LSTM, GRU and RNN, forwards, backwards or both.

ONNX stacks the gates of a weight in another order than torch: i o f c and z r h against i f g o and r z n. What torch's
own kernels compute is left to them; sequences of unequal lengths, other activations, peepholes, clipping and GRUs that
reset before the product go step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from convprof.torch.node import Kernel, Node

States = tuple[Tensor, ...]
_Activation = Callable[[Tensor, float, float], Tensor]

_ACTIVATIONS: Mapping[str, tuple[_Activation, float, float]] = {
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "elu": (lambda x, a, _: functional.elu(x, a), 1.0, 0.0),
    "hardsigmoid": (lambda x, a, b: (a * x + b).clamp(0, 1), 0.2, 0.5),
    "leakyrelu": (lambda x, a, _: functional.leaky_relu(x, a), 0.01, 0.0),
    "relu": (lambda x, _a, _b: torch.relu(x), 0.0, 0.0),
    "scaledtanh": (lambda x, a, b: a * torch.tanh(b * x), 1.0, 1.0),
    "sigmoid": (lambda x, _a, _b: torch.sigmoid(x), 0.0, 0.0),
    "softplus": (lambda x, _a, _b: functional.softplus(x), 0.0, 0.0),
    "softsign": (lambda x, _a, _b: functional.softsign(x), 0.0, 0.0),
    "tanh": (lambda x, _a, _b: torch.tanh(x), 0.0, 0.0),
    "thresholdedrelu": (lambda x, a, _: functional.threshold(x, a, 0.0), 1.0, 0.0),
}


@dataclass(frozen=True)
class _Layer:
    """One direction: weights (gates x hidden, inputs), recurrent weights, both biases, and what else an LSTM has."""

    node: Node
    number: int
    w: Tensor
    r: Tensor
    b: Tensor | None
    peepholes: Tensor | None = None

    @property
    def biases(self) -> tuple[Tensor, Tensor]:
        """Those of the inputs and of the state; zeros where there are none."""
        count = self.w.shape[0]
        both = self.w.new_zeros(2 * count) if self.b is None else self.b
        return both[:count], both[count:]

    def activations(self, defaults: tuple[str, ...]) -> tuple[Callable[[Tensor], Tensor], ...]:
        """Those of this direction."""
        names = self._names(defaults)
        return tuple(self._activation(name, self.number * len(names) + at) for at, name in enumerate(names))

    def is_plain(self, defaults: tuple[str, ...]) -> bool:
        """Whether nothing but the order of the gates differs from torch's kernel."""
        usual = self._names(defaults) == [name.lower() for name in defaults]
        return usual and "clip" not in self.node.attributes and self.peepholes is None

    def clipped(self, x: Tensor) -> Tensor:
        """What goes into an activation, within `clip`."""
        limit = self.node.number("clip", 0.0)
        return x.clamp(-limit, limit) if limit else x

    def _names(self, defaults: tuple[str, ...]) -> list[str]:
        """Activations of this direction; the node lists those of both."""
        names = self.node.attributes.get("activations") or defaults * 2
        first = self.number * len(defaults)
        return [name.lower() for name in names[first : first + len(defaults)]]

    def _activation(self, name: str, i: int) -> Callable[[Tensor], Tensor]:
        function, alpha, beta = _ACTIVATIONS[name]
        alphas, betas = self.node.attributes.get("activation_alpha"), self.node.attributes.get("activation_beta")
        a = alphas[i] if alphas and i < len(alphas) else alpha
        b = betas[i] if betas and i < len(betas) else beta
        return lambda x: function(x, a, b)


_Run = Callable[[_Layer, Tensor, States, tuple[int, ...] | None], tuple[Tensor, States]]


def lstm(
    node: Node,
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: tuple[int, ...] | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    p: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """LSTM."""
    return _directions(node, x, (w, r, b, p), lengths, (h, c), _lstm)


def _of_one_state(run: _Run) -> Kernel:
    """The operator of a layer that keeps nothing but what it puts out."""

    def operator(
        node: Node,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        b: Tensor | None = None,
        lengths: tuple[int, ...] | None = None,
        h: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        return _directions(node, x, (w, r, b, None), lengths, (h,), run)

    return operator


def _directions(
    node: Node,
    x: Tensor,
    weights: tuple[Tensor, Tensor, Tensor | None, Tensor | None],
    lengths: tuple[int, ...] | None,
    states: tuple[Tensor | None, ...],
    run: _Run,
) -> tuple[Tensor, ...]:
    """Y (steps, directions, batch, hidden) and the last states (directions, batch, hidden); `layout` 1: batch first."""
    batch_first = bool(node.integer("layout", 0))
    x = x.transpose(0, 1) if batch_first else x
    lengths = None if lengths is None or all(length == x.shape[0] for length in lengths) else lengths
    w, r, b, p = weights
    nothing = x.new_zeros(x.shape[1], r.shape[-1])
    made, ends = [], []
    for number in range(w.shape[0]):
        layer = _Layer(node, number, w[number], r[number], _of(b, number), _of(p, number))
        start = tuple(_start(state, number, nothing, batch_first) for state in states)
        back = node.text("direction", "forward") == "reverse" or number == 1
        y, last = run(layer, _reversed(x, lengths) if back else x, start, lengths)
        made.append(_reversed(y, lengths) if back else y)
        ends.append(last)
    finals = tuple(torch.stack(each, 1 if batch_first else 0) for each in zip(*ends, strict=True))
    y = torch.stack(made, 1)
    return (y.permute(2, 0, 1, 3) if batch_first else y, *finals)


def _of(tensor: Tensor | None, number: int) -> Tensor | None:
    return None if tensor is None else tensor[number]


def _start(state: Tensor | None, number: int, nothing: Tensor, batch_first: bool) -> Tensor:
    if state is None:
        return nothing
    return state[:, number] if batch_first else state[number]


def _reversed(x: Tensor, lengths: tuple[int, ...] | None) -> Tensor:
    """The steps backwards, of each sequence within its own length."""
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(x.shape[0], device=x.device)[:, None]
    ends = _column(lengths, x)[None]
    places = torch.where(steps < ends, ends - 1 - steps, steps)
    return x.gather(0, places[:, :, None].expand_as(x))


def _column(lengths: tuple[int, ...], x: Tensor) -> Tensor:
    return torch.tensor(lengths, dtype=torch.int64, device=x.device)


def _ordered(tensor: Tensor, order: tuple[int, ...]) -> Tensor:
    """The gates of a weight in torch's order."""
    gates = tensor.chunk(len(order), 0)
    return torch.cat([gates[i] for i in order], 0)


def _stepped(
    x: Tensor, states: States, lengths: tuple[int, ...] | None, step: Callable[[Tensor, States], States]
) -> tuple[Tensor, States]:
    """Run `step` over the steps of `x`; a sequence that has ended keeps its states and puts out zeros."""
    ends = None if lengths is None else _column(lengths, x)[:, None]
    made = []
    for t, inputs in enumerate(x.unbind(0)):
        fresh = step(inputs, states)
        if ends is None:
            states = fresh
            made.append(fresh[0])
        else:
            states = tuple(torch.where(t < ends, new, old) for new, old in zip(fresh, states, strict=True))
            made.append(torch.where(t < ends, fresh[0], torch.zeros_like(fresh[0])))
    return torch.stack(made), states


def _lstm(layer: _Layer, x: Tensor, states: States, lengths: tuple[int, ...] | None) -> tuple[Tensor, States]:
    defaults = ("Sigmoid", "Tanh", "Tanh")
    coupled = layer.node.integer("input_forget", 0)
    if lengths is None and layer.is_plain(defaults) and not coupled:
        weights = [_ordered(each, (0, 2, 3, 1)) for each in (layer.w, layer.r, *layer.biases)]
        start = tuple(state.unsqueeze(0).contiguous() for state in states)
        y, h, c = torch.lstm(x, start, weights, True, 1, 0.0, True, False, False)
        return y, (h[0], c[0])
    f, g, h_ = layer.activations(defaults)
    p = layer.w.new_zeros(3 * layer.r.shape[-1]) if layer.peepholes is None else layer.peepholes
    p_i, p_o, p_f = p.chunk(3)

    def step(inputs: Tensor, old: States) -> States:
        h, c = old
        i, o, forget, cell = (inputs + functional.linear(h, layer.r)).chunk(4, -1)
        i = f(layer.clipped(i + p_i * c))
        forget = 1 - i if coupled else f(layer.clipped(forget + p_f * c))
        c = forget * c + i * g(layer.clipped(cell))
        return f(layer.clipped(o + p_o * c)) * h_(c), c

    return _stepped(functional.linear(x, layer.w, layer.biases[0] + layer.biases[1]), states, lengths, step)


def _gru(layer: _Layer, x: Tensor, states: States, lengths: tuple[int, ...] | None) -> tuple[Tensor, States]:
    defaults = ("Sigmoid", "Tanh")
    after = layer.node.integer("linear_before_reset", 0)
    if lengths is None and after and layer.is_plain(defaults):
        weights = [_ordered(each, (1, 0, 2)) for each in (layer.w, layer.r, *layer.biases)]
        y, h = torch.gru(x, states[0].unsqueeze(0).contiguous(), weights, True, 1, 0.0, True, False, False)
        return y, (h[0],)
    f, g = layer.activations(defaults)
    hidden = layer.r.shape[-1]
    w_bias, r_bias = layer.biases

    def step(inputs: Tensor, old: States) -> States:
        h = old[0]
        in_z, in_r, in_h = inputs.chunk(3, -1)
        gates = functional.linear(h, layer.r[: 2 * hidden], r_bias[: 2 * hidden])
        z = f(layer.clipped(in_z + gates[..., :hidden]))
        r = f(layer.clipped(in_r + gates[..., hidden:]))
        rows, bias = layer.r[2 * hidden :], r_bias[2 * hidden :]
        inner = r * functional.linear(h, rows, bias) if after else functional.linear(r * h, rows, bias)
        return ((1 - z) * g(layer.clipped(in_h + inner)) + z * h,)

    return _stepped(functional.linear(x, layer.w, w_bias), states, lengths, step)


def _rnn(layer: _Layer, x: Tensor, states: States, lengths: tuple[int, ...] | None) -> tuple[Tensor, States]:
    if lengths is None and layer.is_plain(("Tanh",)):
        weights = [layer.w, layer.r, *layer.biases]
        y, h = torch.rnn_tanh(x, states[0].unsqueeze(0).contiguous(), weights, True, 1, 0.0, True, False, False)
        return y, (h[0],)
    (f,) = layer.activations(("Tanh",))

    def step(inputs: Tensor, old: States) -> States:
        return (f(layer.clipped(inputs + functional.linear(old[0], layer.r))),)

    return _stepped(functional.linear(x, layer.w, layer.biases[0] + layer.biases[1]), states, lengths, step)


gru = _of_one_state(_gru)
rnn = _of_one_state(_rnn)
