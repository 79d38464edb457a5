"""nn.Module, what each conv should become -> a copy of it with chains in the place of convs.

Without data each kernel is factored by itself. With data the fit is that of the command line as far as a torch model
shows it: layer by layer in the order of the calls, the inputs are those of the copy as converted so far, the targets
the original's responses; where data are few, how to fit is chosen on a part held out. What lies behind a conv, a sum
with another path or an activation, is not known here, and not used.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace
from torch import Tensor, jit, nn

from convprof.approximation import Layer, approximate
from convprof.errors import DataError, PlanError, UsageError
from convprof.files import read_record
from convprof.forms import FORMS, PLANNABLE, Form, planned_form
from convprof.records.factors import Factors
from convprof.records.plan import KeptLayer, Plan, PlannedLayer
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark
from convprof.records.run import FittedLayer
from convprof.torch.factored import stand_in
from convprof.torch.matching import matched
from convprof.torch.sites import Site, find_sites
from convprof.torch.watching import Batch, Observer, gather

_NOT_PLANNED = Remark("not-planned", "the plan leaves it as it is")
_SKIPPED = Remark("skipped", "named in `skip`")
_NOT_CALLED = Remark("not-called", "the model does not call it on the calibration inputs")


@dataclass(frozen=True)
class Separation:
    """A converted copy of a model, the convs that were replaced in it, and the reason for every one that was not.

    Names are those of the modules; errors are None where there was no data.
    """

    module: nn.Module
    replaced: tuple[FittedLayer, ...]
    kept: tuple[KeptLayer, ...]


def separate(
    module: nn.Module,
    plan: Plan | str | os.PathLike[str] | None = None,
    *,
    rank: int | Sequence[int] | None = None,
    form: str = "depthwise-pointwise",
    skip: Sequence[str] = (),
    calibration: Iterable[Batch] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Separation:
    """Replace convs of `module`, in a copy, by the chains of `plan` or of `form` at `rank`; the module stays as it is.

    `plan` is a Plan or the path of a plan.json; its layers are found by the modules' names, or by those that torch's
    exporters give them. `rank` is a number or as many as the form takes, and is cut to what a conv can use. `skip`
    names convs to leave alone. `calibration` is read once and held: a batch is the model's input, a tuple or list of
    its positional arguments (no labels), or a dict of its named ones, on the model's device. `seed` decides the
    sampled positions.

    Bias, stride, padding, dilation, type, device, mode and requires_grad are kept; a layer that is fitted to data has a
    bias in any case. Shared convs stay shared. Raises UsageError for what cannot be copied or asks for nothing or for
    too much, PlanError for layers, forms and ranks that do not suit the model, and DataError for unusable data.
    """
    copy = _Copy(_copied(module))
    found = find_sites(copy.module)
    decided = _decided(copy.module, found, plan, rank, form)
    decided.update((name, _SKIPPED) for name in _known(skip, found))
    wishes = [
        _Wish(site, layer)
        for site, layer in zip(found.values(), decided.values(), strict=True)
        if isinstance(site, Site) and isinstance(layer, PlannedLayer)
    ]
    if calibration is None:
        replaced = tuple(_from_weights(copy, wishes))
    else:
        replaced = tuple(_from_data(copy, wishes, list(calibration), seed, progress))
    done = {layer.name for layer in replaced}
    kept = tuple(
        KeptLayer(name, each if isinstance(each, Remark) else _NOT_CALLED)
        for name, each in decided.items()
        if name not in done
    )
    return Separation(copy.finished(), replaced, kept)


@dataclass(frozen=True)
class _Wish:
    """A conv of the copy, and what it should become."""

    site: Site
    layer: PlannedLayer

    @property
    def form(self) -> Form:
        return PLANNABLE[self.layer.form]

    @cached_property
    def dense(self) -> Layer:
        """The conv as the fit sees it."""
        site = self.site
        return Layer(self.form, site.spec, site.kernel, self.form.factor(site.kernel, site.spec, self.layer.rank))


class _Copy:
    """The copy of a model, converted conv by conv."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._modes = {name: part.training for name, part in module.named_modules(remove_duplicate=False)}
        self._replaced: set[str] = set()

    def replace(self, wish: _Wish, factors: Factors) -> None:
        """Put the chain with these factors in every place of the conv."""
        site, layer = wish.site, wish.layer
        made = stand_in(site.conv, wish.form.arrange(factors, site.spec, layer.emission), layer.form, layer.rank)
        for name in site.names:
            if name:
                self.module.set_submodule(name, made)
            else:
                self.module = made
        self._replaced.update(site.names)

    def finished(self) -> nn.Module:
        """The copy, every part of it in the mode that it had."""
        for name, mode in self._modes.items():
            part = self.module.get_submodule(name)
            if name in self._replaced:
                part.train(mode)
            else:
                part.training = mode
        return self.module


def _from_weights(copy: _Copy, wishes: Iterable[_Wish]) -> Iterator[FittedLayer]:
    for wish in wishes:
        copy.replace(wish, Factors(wish.dense.start.weights, wish.site.bias))
        yield FittedLayer(wish.site.name, wish.layer.form, wish.layer.rank, None, None)


def _from_data(
    copy: _Copy, wishes: Sequence[_Wish], batches: Sequence[Batch], seed: int, progress: Progress
) -> Iterator[FittedLayer]:
    if not batches:
        raise DataError("calibration", "there is not one batch in it", "give some inputs, or None")
    teacher, student = Observer(deepcopy(copy.module), batches), Observer(copy.module, batches)
    by_name = {wish.site.name: wish for wish in wishes}
    seen = teacher.survey(by_name)
    for number, (name, calls) in enumerate(seen.items(), 1):
        wish = by_name[name]
        made = approximate(wish.dense, gather(wish.site, calls, seed + number, teacher, student))
        copy.replace(wish, made.factors)
        layer = wish.layer
        yield FittedLayer(name, layer.form, layer.rank, made.error, made.error_weights, recipe=made.recipe)
        progress("fit", number, len(seen))


def _copied(module: nn.Module) -> nn.Module:
    """A copy that shares nothing with the module."""
    if isinstance(module, jit.ScriptModule):
        raise UsageError("the module", "a scripted module cannot be changed", "separate it first, then script it")
    held = (value for part in module.modules() for value in vars(part).values())
    # What a hook computes from parameters, as weight_norm's does, can be copied as a number only.
    computed = {id(value): value.detach().clone() for value in held if isinstance(value, Tensor) and not value.is_leaf}
    try:
        return deepcopy(module, computed)
    except (RuntimeError, TypeError) as error:
        raise UsageError("the module", f"it cannot be copied: {error}", "see copy.deepcopy") from error


def _decided(
    module: nn.Module,
    found: Mapping[str, Site | Remark],
    plan: Plan | str | os.PathLike[str] | None,
    rank: int | Sequence[int] | None,
    form: str,
) -> dict[str, PlannedLayer | Remark]:
    """For every conv what it should become, or why it stays."""
    if (plan is None) == (rank is None):
        raise UsageError("separate", "it takes a plan or a rank", "give one of them")
    if rank is not None:
        return {name: each if isinstance(each, Remark) else _uniform(each, form, rank) for name, each in found.items()}
    record = plan if isinstance(plan, Plan) else read_record(Path(plan or ""), Plan)
    layers = matched(record, module, list(found))
    return {name: _planned(name, each, layers.get(name)) for name, each in found.items()}


def _planned(name: str, found: Site | Remark, layer: PlannedLayer | None) -> PlannedLayer | Remark:
    if isinstance(found, Remark):
        return found
    if layer is None:
        return _NOT_PLANNED
    planned_form(layer, found.spec, PLANNABLE)
    return replace(layer, name=name)


def _uniform(site: Site, name: str, rank: int | Sequence[int]) -> PlannedLayer | Remark:
    """The form at the rank, cut to what the conv can use, or why it does not suit the conv."""
    if name not in FORMS:
        raise PlanError(f"form {name!r}", "there is no such form", f"known are {', '.join(FORMS)}")
    form = FORMS[name]
    refusal = form.applies(site.spec)
    if refusal is not None:
        return refusal
    full = form.full_rank(site.spec)
    given = (rank,) * len(full) if isinstance(rank, int) else tuple(rank)
    if len(given) != len(full) or min(given) < 1:
        raise PlanError(f"rank {list(given)}", f"{name} takes {len(full)} numbers of 1 or more", "give that many")
    cut = tuple(min(r, f) for r, f in zip(given, full, strict=True))
    return PlannedLayer(site.name, name, cut, form.emissions[0])


def _known(skip: Iterable[str], found: Collection[str]) -> Iterator[str]:
    for name in skip:
        if name not in found:
            near = get_close_matches(name, found) or list(found)[:3]
            raise PlanError(f"skip {name!r}", "no conv of the model has that name", f"near are {', '.join(near)}")
        yield name
