"""Convs of a torch model and the chains in their place: what is kept, what is refused, what the fit is worth."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch_convs
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, weight_norm
from torch_convs import Case

from convprof.errors import DataError, PlanError, UsageError
from convprof.forms import FORMS
from convprof.macs import chain_macs
from convprof.records.convs import ConvSite
from convprof.torch import Separation, separate
from convprof.torch.factored import FactoredConv
from convprof.torch.sites import Site, find_sites
from convprof.torch.watching import Batch


def run(module: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        made: Tensor = module.eval()(inputs)
    return made


def reasons(made: Separation) -> dict[str, str]:
    return {each.name: each.reason.code for each in made.kept}


def calls(count: int = 4, samples: int = 16) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(samples, 3, 16, 16) for _ in range(count)]


@settings(max_examples=60)
@given(torch_convs.cases(), st.sampled_from(list(FORMS)))
def test_at_full_rank_the_function_stays(case: Case, form: str) -> None:
    made = separate(case.conv, rank=10**6, form=form)
    expected, found = run(case.conv, case.inputs), run(made.module, case.inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)
    assert len(made.replaced) + len(made.kept) == 1
    assert isinstance(made.module, FactoredConv) == bool(made.replaced)


@settings(max_examples=60)
@given(torch_convs.cases(), st.sampled_from(list(FORMS)), st.integers(1, 3))
def test_the_module_costs_what_its_chain_costs(case: Case, form: str, rank: int) -> None:
    made = separate(case.conv, rank=rank, form=form)
    if not made.replaced:
        return
    site = find_sites(case.conv)[""]
    assert isinstance(site, Site)
    place = ConvSite(site.spec, len(case.inputs), tuple(case.inputs.shape[2:]))
    assert _macs(made.module, case.inputs) == chain_macs(FORMS[form].chain(site.spec, made.replaced[0].rank), place)


def _macs(module: nn.Module, inputs: Tensor) -> int:
    total = 0

    def count(conv: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        weight = conv.get_parameter("weight")
        total += output.numel() * weight[0].numel()

    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            part.register_forward_hook(count)
    run(module, inputs)
    return total


def test_the_users_model_stays_as_it_is() -> None:
    dense, batches = torch_convs.network(), calls(1)
    before, state = copy.deepcopy(dense.state_dict()), torch.random.get_rng_state()
    separate(dense, rank=1, calibration=batches)
    assert all(torch.equal(value, before[name]) for name, value in dense.state_dict().items())
    assert all(part.training for part in dense.modules())
    assert not any(part._forward_hooks for part in dense.modules())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("calibration", [None, [torch.randn(8, 3, 12, 12)]], ids=["weights", "data"])
def test_type_mode_and_willingness_to_train_are_kept(calibration: list[Tensor] | None) -> None:
    dense = torch_convs.network().double()
    dense.layer1[0].eval()
    dense.stem.weight.requires_grad_(False)
    inputs = None if calibration is None else [each.double() for each in calibration]
    made = separate(dense, rank=2, calibration=inputs).module

    modes = {name: part.training for name, part in dense.named_modules()}
    assert {name: part.training for name, part in made.named_modules() if name in modes} == modes
    assert {part.training for part in made.get_submodule("layer1.0.conv1").modules()} == {False}
    assert {each.dtype for each in made.state_dict().values() if each.is_floating_point()} == {torch.float64}
    trained = {name: each.requires_grad for name, each in made.named_parameters() if name.startswith("stem.")}
    assert [name for name, each in trained.items() if each] == [name for name in trained if name.endswith("bias")]
    assert made.get_submodule("layer1.1.conv1").get_parameter("0.branches.0.0.weight").requires_grad


def test_a_conv_of_several_names_is_one_chain_under_all_of_them() -> None:
    shared = nn.Conv2d(4, 4, 3, padding=1)
    dense = nn.Sequential(nn.Conv2d(3, 4, 3), shared, nn.ReLU(), shared)
    made = separate(dense, rank=1)
    assert [each.name for each in made.replaced] == ["0", "1"]
    assert made.module.get_submodule("1") is made.module.get_submodule("3")


def refused() -> dict[str, tuple[nn.Module, str]]:
    """A module for each reason, and the code that it should have."""
    conv = nn.Conv2d(4, 4, 3)
    pruned: Callable[..., nn.Module] = prune.random_unstructured
    hooked, infinite = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
    hooked.register_forward_hook(lambda *_: None)
    infinite.weight.data[0, 0, 0, 0] = torch.inf

    class Own(nn.Conv2d):
        pass

    return {
        "weight_norm": (parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), "parametrized"),
        "old weight_norm": (weight_norm(nn.Conv2d(4, 4, 3)), "parametrized"),
        "spectral_norm": (parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)), "parametrized"),
        "pruned": (pruned(nn.Conv2d(4, 4, 3), "weight", amount=0.5), "parametrized"),
        "lazy": (nn.LazyConv2d(4, 3), "lazy"),
        "subclass": (Own(4, 4, 3), "subclass"),
        "transposed": (nn.ConvTranspose2d(4, 4, 3), "conv-transpose"),
        "hooked": (hooked, "hooked"),
        "reflected": (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), "padding-mode"),
        "complex": (nn.Conv2d(4, 4, 3, dtype=torch.complex64), "dtype"),
        "nowhere": (nn.Conv2d(4, 4, 3, device="meta"), "weights-unreadable"),
        "infinite": (infinite, "weights-not-finite"),
        "depthwise": (nn.Conv2d(4, 4, 3, groups=4), "depthwise"),
        "grouped": (nn.Conv2d(4, 4, 3, groups=2), "grouped"),
        "pointwise": (nn.Conv2d(4, 4, 1), "pointwise"),
        "plain": (conv, ""),
    }


def test_what_no_chain_can_stand_in_for_is_kept_with_a_reason() -> None:
    cases = refused()
    made = separate(nn.ModuleList(module for module, _ in cases.values()), rank=1)
    wanted = {str(number): code for number, (_, code) in enumerate(cases.values()) if code}
    assert reasons(made) == wanted
    assert [each.name for each in made.replaced] == [str(len(cases) - 1)]
    for name in wanted:
        assert not isinstance(made.module.get_submodule(name), FactoredConv)


def test_convs_with_one_weight_between_them_are_kept() -> None:
    dense = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    dense[1].weight = dense[0].weight
    assert reasons(separate(dense, rank=1)) == {"0": "tied", "1": "tied"}


def test_a_fit_to_data_is_closer_than_the_weights_alone() -> None:
    dense, batches = torch_convs.network(), calls()
    torch.manual_seed(2)
    unseen = torch.randn(32, 3, 16, 16)
    wanted = run(dense, unseen)
    fitted = separate(dense, rank=1, calibration=batches)
    lost = [
        float((run(made.module, unseen) - wanted).square().sum() / wanted.var().mul(wanted.numel()))
        for made in (separate(dense, rank=1), fitted)
    ]
    assert lost[1] < lost[0] / 4
    assert [each.name for each in fitted.replaced] == list(torch_convs.CONV_NAMES)
    assert all(each.error is not None and each.error_weights is not None for each in fitted.replaced)
    again = separate(dense, rank=1, calibration=batches)
    assert torch.equal(run(again.module, unseen), run(fitted.module, unseen))


def test_each_layer_repairs_what_those_before_it_broke() -> None:
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 3))
    batches = calls(16)
    found = separate(dense, rank=1, calibration=batches)
    inputs = torch.cat(batches)
    wanted, got = run(dense, inputs), run(found.module, inputs)
    missed = (got - wanted).square().mean((0, 2, 3)).sum() / wanted.var((0, 2, 3), correction=0).sum()
    # The last layer's error is that of the outputs: it was fitted to what the converted layers before it show.
    assert float(missed) == pytest.approx(found.replaced[-1].error, rel=0.1)


def test_batches_may_be_tensors_arguments_or_names() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
            made: Tensor = self.conv(input=x * scale)
            return made.relu_()

    dense, inputs = Sum(), calls(1)[0]
    batches: list[list[Batch]] = [[inputs], [(inputs, 1.0)], [{"x": inputs, "scale": 1.0}], [[inputs]]]
    made = [separate(dense, rank=1, calibration=each).module.state_dict() for each in batches]
    for other in made[1:]:
        assert all(torch.equal(value, other[name]) for name, value in made[0].items())


def test_inputs_without_a_batch_and_convs_that_are_not_called() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.called, self.idle = nn.Conv1d(3, 4, 3), nn.Conv1d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.called(x)
            return made

    torch.manual_seed(0)
    made = separate(Half(), rank=1, calibration=[torch.randn(3, 20) for _ in range(8)])
    assert reasons(made) == {"idle": "not-called"}
    assert run(made.module, torch.randn(3, 20)).shape == (4, 18)


def test_a_form_of_two_ranks_takes_one_number_or_two() -> None:
    dense = torch_convs.network()
    assert {each.rank for each in separate(dense, rank=2, form="tucker2").replaced} == {(2, 2)}
    assert {each.rank for each in separate(dense, rank=(3, 2), form="tucker2").replaced} == {(3, 2)}


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda dense: separate(dense), "separate: it takes a plan or a rank"),
        (lambda dense: separate(dense, rank=1, form="magic"), "no such form"),
        (lambda dense: separate(dense, rank=1, form="dense"), "no such form"),
        (lambda dense: separate(dense, rank=0), "takes 1 numbers of 1 or more"),
        (lambda dense: separate(dense, rank=(1, 2)), "takes 1 numbers"),
        (lambda dense: separate(dense, rank=1, skip=["layer1.0.conv2"]), "near are layer1.0.conv1"),
    ],
)
def test_what_cannot_be_asked_for(ask: Callable[[nn.Module], Separation], said: str) -> None:
    with pytest.raises((PlanError, UsageError), match=said):
        ask(torch_convs.network())


def test_bad_calibration_is_refused() -> None:
    dense = torch_convs.network()
    with pytest.raises(DataError, match="not one batch"):
        separate(dense, rank=1, calibration=[])
    with pytest.raises(DataError, match="layer 'stem' sees or answers NaN"):
        separate(dense, rank=1, calibration=[torch.full((4, 3, 16, 16), torch.nan)])


def test_skipped_convs_stay() -> None:
    made = separate(torch_convs.network(), rank=1, skip=["stem"])
    assert reasons(made) == {"stem": "skipped"}


def test_a_scripted_module_is_refused() -> None:
    script: Callable[..., nn.Module] = torch.jit.script
    with pytest.raises(UsageError, match="separate it first"):
        separate(script(nn.Conv2d(3, 4, 3)), rank=1)
