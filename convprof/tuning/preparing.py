"""What has to be settled before the first step: whether student and teacher fit, the batch, and the augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from convprof.data import Batches
from convprof.errors import ModelError, UsageError
from convprof.records.remarks import Remark
from convprof.records.tuning import Settings
from convprof.torch import Module
from convprof.torch.composing import MARK
from convprof.tuning import settings
from convprof.tuning.augmenting import CHANNELS, KEEPING, NAMES, Pictures
from convprof.tuning.samples import Batch, Samples
from convprof.tuning.targets import Target, find_targets
from convprof.tuning.together import Together

Task = Literal["scores", "pictures", "other"]
"""What a network makes of pictures: class scores, other pictures, or anything else."""


@dataclass(frozen=True)
class Changes:
    """How inputs are changed: `names` of augmentations, of `pictures`, and whether the teacher sees both mirror images.

    `task` is what is made of the pictures, None where inputs are none. `agreement` is the share of pictures of which
    the teacher takes both mirror images for the same class.
    """

    task: Task | None
    names: tuple[str, ...]
    pictures: Pictures | None
    mirrored: bool
    agreement: float | None
    notices: tuple[Remark, ...] = ()


def check_pair(student: Module, teacher: Module) -> None:
    """Raise ModelError where the two do not take and make the same values, by name."""
    for what, ours, theirs in (
        ("inputs", _ports(student), _ports(teacher)),
        ("outputs", student.network.outputs, teacher.network.outputs),
    ):
        if set(ours) != set(theirs):
            why = f"its {what} are {', '.join(ours)}, those of {teacher.network.what} {', '.join(theirs)}"
            raise ModelError(student.network.what, why, "give the model that this one was converted from")


def trained(student: Module, train: str) -> dict[str, nn.Parameter]:
    """The parameters to train, by torch's names; the others are told to stay. Raises ModelError where there are none.

    `factors` are those of the convolutions that convprof wrote.
    """
    parameters = dict(student.named_parameters())
    chosen = {name: each for name, each in parameters.items() if train == "all" or MARK in student.names[name]}
    if not chosen:
        why = "it has no weights" if train == "all" else "it has no convolutions that convprof replaced"
        raise ModelError(student.network.what, why, "give a converted model; --train all trains all weights")
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in chosen)
    return chosen


def split(batches: Batches, student: Module, wanted: Settings, together: Together) -> Samples:
    """The samples in batches of the size asked for, or of the only one that the model takes, once for each process.

    Raises ModelError where it takes neither, DataError where there are too few samples.
    """
    samples = Samples(batches, wanted.batch, wanted.seed, together)
    port = student.network.inputs[0]
    fixed = port.shape[0] if port.shape else None
    if fixed is None:
        return samples
    other = 1 if fixed > 1 else 2
    feeds = {name: values[:other] for name, values in next(samples.held_out_batches()).feeds.items()}
    try:
        with torch.no_grad():
            made = student.run(feeds, student.network.outputs)
        if all(value.ndim and len(value) == other for value in made.values()):
            return samples
    except ModelError:
        pass  # some graphs take a batch of their own size only, a Reshape says which
    return Samples(batches, fixed * together.count, wanted.seed, together, whole=True)


def changes(wanted: Settings, model: Module, samples: Samples, labelled: bool) -> Changes:
    """What `--augment` says, or what is safe; `labelled` says that labels are trained on.

    Class scores: moved, and mirrored where `model` mostly takes mirror images for the same class. Pictures from
    pictures: mirrored and turned, labels alike. Anything else: nothing. Raises UsageError for what cannot be done.
    """
    batch = next(samples.held_out_batches())
    pictures = _pictures(batch)
    task, targets = _task(model, batch, pictures)
    if wanted.augment is not None:
        _check_names(wanted.augment, _possible(task, labelled and not (samples.classes and task == "scores")))
    if pictures is None or wanted.augment == ():
        return Changes(task, (), pictures, False, None)
    if task != "scores":
        chosen = KEEPING if task == "pictures" else ()
        return Changes(task, chosen if wanted.augment is None else wanted.augment, pictures, False, None)
    agreement = _agreement(model, targets, pictures, samples)
    same = agreement >= settings.MIRROR_AGREES
    if wanted.augment is not None:
        return Changes(task, wanted.augment, pictures, same and "flip" in wanted.augment, agreement)
    if same:
        return Changes(task, ("flip", "crop"), pictures, True, agreement)
    text = f"pictures are not mirrored: the original takes {agreement:.0%} of mirror images for the same class"
    return Changes(task, ("crop",), pictures, False, agreement, (Remark("not-mirrored", text),))


@torch.no_grad()
def distance(student: Module, teacher: Module, samples: Samples) -> float:
    """|s - t| / |t| of what the two say to some held-out samples, at all outputs together; class scores before Softmax.

    The same number in every process; infinite where answers are not of the same shape.
    """
    first = next(samples.held_out_batches())
    ours, theirs = ({each.output: each.name for each in find_targets(module, first)} for module in (student, teacher))
    names = {own: theirs[output] for output, own in ours.items() if output in theirs}
    if any(own.shape != wanted.shape for own, wanted in _answers(student, teacher, names, first)):
        return inf
    error = power = 0.0
    count = 0
    for batch in samples.held_out_share():
        for own, wanted in _answers(student, teacher, names, batch):
            error, power = error + float((own - wanted).square().sum()), power + float(wanted.square().sum())
        count += batch.count
        if count * samples.together.count >= settings.GLANCE:
            break
    error, power = samples.together.totals(error, power)
    return sqrt(error / max(power, 1e-30))


def _answers(student: Module, teacher: Module, names: Mapping[str, str], batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """What the two say to a batch, by the student's names and the teacher's for it."""
    ours, theirs = student.run(batch.feeds, list(names)), teacher.run(batch.feeds, list(names.values()))
    return [(ours[own], theirs[name]) for own, name in names.items()]


def _possible(task: Task | None, bound: bool) -> tuple[str, ...]:
    """The augmentations that leave the answer known; `bound` says that labels would have to change with the inputs."""
    if task is None:
        return ()
    if not bound:
        return NAMES
    return KEEPING if task == "pictures" else ("jitter",)


def _check_names(names: Sequence[str], possible: Sequence[str]) -> None:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UsageError(f"--augment {','.join(names)}", f"{unknown[0]!r} is not known", f"{', '.join(NAMES)} or none")
    others = [name for name in names if name not in possible]
    if others and possible:
        why = f"after {others[0]} the labels would not fit any more"
        raise UsageError(f"--augment {','.join(names)}", why, f"possible here: {', '.join(possible)} or none")
    if others:
        raise UsageError(f"--augment {','.join(names)}", "the inputs are no pictures", "leave it out")


def _task(model: Module, batch: Batch, pictures: Pictures | None) -> tuple[Task | None, tuple[Target, ...]]:
    """What it makes of pictures, and what is compared."""
    targets = find_targets(model, batch)
    if pictures is None:
        return None, targets
    if all(target.kind == "logits" for target in targets):
        return "scores", targets
    with torch.no_grad():
        values = model.run(batch.feeds, [target.name for target in targets]).values()
    return "pictures" if all(_is_picture(value, pictures) for value in values) else "other", targets


def _pictures(batch: Batch) -> Pictures | None:
    """The model's single input, where it may hold pictures: rank 4 and one, three or four channels."""
    (name, first), *others = batch.feeds.items()
    if others or first.ndim != 4 or (first.shape[1] not in CHANNELS and first.shape[3] not in CHANNELS):
        return None
    return Pictures(name, first.shape[1] not in CHANNELS)


def _is_picture(value: Tensor, pictures: Pictures) -> bool:
    """Whether an output is laid out as the pictures are, and holds more than one pixel of some."""
    if value.ndim != 4:
        return False
    channels = value.shape[3 if pictures.channels_last else 1]
    return channels in CHANNELS and value.numel() > len(value) * channels


@torch.no_grad()
def _agreement(model: Module, targets: Sequence[Target], pictures: Pictures, samples: Samples) -> float:
    """The share of held-out pictures of which `model` takes both mirror images for the same class."""
    names = [target.name for target in targets]
    same = count = 0
    for batch in samples.held_out_batches():
        mirrored = {pictures.name: pictures.mirrored(batch.feeds[pictures.name])}
        pairs = zip(model.run(batch.feeds, names).values(), model.run(mirrored, names).values(), strict=True)
        same += sum(int((a.flatten(1).argmax(1) == b.flatten(1).argmax(1)).sum()) for a, b in pairs)
        count += batch.count * len(names)
        if count >= settings.GLANCE:
            break
    return same / count


def _ports(module: Module) -> list[str]:
    return [port.name for port in module.network.inputs]
