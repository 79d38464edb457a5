"""How far outputs are from what they should be: by name, or a user's own function."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from convprof.errors import DataError, UsageError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps an output and its target to one number."""

SUPERVISED: Mapping[str, Loss] = {
    "cross-entropy": lambda output, labels: functional.cross_entropy(output.flatten(1), labels),
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "smooth-l1": functional.smooth_l1_loss,
    "bce": functional.binary_cross_entropy_with_logits,
}
IMITATING = ("kl", "relative-l2")


def divergence(output: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(target || output) of softened class scores, mean over the samples, in nats (Hinton et al. 2015)."""
    soft, wanted = (functional.log_softmax(each.flatten(1) / temperature, 1) for each in (output, target))
    return functional.kl_div(soft, wanted, log_target=True, reduction="batchmean") * temperature**2


def relative(output: Tensor, target: Tensor, power: Tensor | None = None) -> Tensor:
    """|output - target|^2 / |target|^2; `power` is the mean square of the targets, where these are not all."""
    if power is None:
        power = target.square().mean()
    return functional.mse_loss(output, target) / power.clamp_min(1e-20)


def right(output: Tensor, classes: Tensor) -> float:
    """How many samples have their class as the largest score."""
    return float((output.flatten(1).argmax(1) == classes).sum())


def supervised(name: str) -> Loss:
    """The loss called `name`, or `module:function`; raises UsageError for a name that is not known."""
    if name in SUPERVISED:
        return SUPERVISED[name]
    module, colon, function = name.partition(":")
    others = f"known are {', '.join((*IMITATING, *SUPERVISED))} and package.module:function"
    if not colon:
        raise UsageError(f"--loss {name}", "no loss is called so", others)
    try:
        loss: Loss = getattr(importlib.import_module(module), function)
    except Exception as error:  # a module may fail in any way while it is imported
        raise UsageError(f"--loss {name}", f"it cannot be imported: {error}", others) from error

    def guarded(output: Tensor, labels: Tensor) -> Tensor:
        try:
            value = loss(output, labels)
        except Exception as error:  # the user's code may raise anything
            why = f"it failed with {type(error).__name__}: {error}"
            raise DataError(f"--loss {name}", why, "correct the function") from error
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise DataError(f"--loss {name}", "it did not return a tensor of one number", "correct the function")
        return value.reshape(())

    return guarded
