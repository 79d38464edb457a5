from __future__ import annotations

import naive
import pytest
import sites
from hypothesis import given, settings
from sites import Case

from convprof.forms import FORMS, PLANNABLE, common_refusal
from convprof.macs import chain_macs, chain_parameters, conv_macs, conv_parameters
from convprof.records.convs import ConvSite, ConvSpec

_LAW = settings(max_examples=300)


@_LAW
@given(sites.cases())
def test_every_rank_offered_is_cheaper_than_the_dense_conv_and_dearer_than_the_one_before(case: Case) -> None:
    ranks = case.form.ranks(case.site)
    costs = [chain_macs(case.form.chain(case.spec, rank), case.site) for rank in ranks]
    assert all(cost < conv_macs(case.spec, case.site.output_size, case.site.batch) for cost in costs)
    assert costs == sorted(set(costs))
    assert all(len(rank) == len(case.full) for rank in ranks)
    assert all(1 <= r <= top for rank in ranks for r, top in zip(rank, case.full, strict=True))


@settings(max_examples=100)
@given(sites.cases())
def test_macs_are_those_counted_one_by_one(case: Case) -> None:
    size, counted = case.site.input_size, 0
    for spec in case.form.chain(case.spec, case.rank):
        counted += naive.count_macs(spec, size) * case.site.batch
        size = spec.output_size(size)
    assert size == case.site.output_size
    assert chain_macs(case.form.chain(case.spec, case.rank), case.site) == counted
    dense = naive.count_macs(case.spec, case.site.input_size) * case.site.batch
    assert conv_macs(case.spec, case.site.output_size, case.site.batch) == dense


@_LAW
@given(sites.cases())
def test_parameters_are_the_sizes_of_the_weights(case: Case) -> None:
    factors = case.form.factor(case.kernel(), case.spec, case.rank)
    chain = case.form.chain(case.spec, case.rank)
    assert chain_parameters(chain) == sum(weight.size for weight in factors.weights)
    assert chain_parameters(chain, bias=True) == chain_parameters(chain) + case.spec.out_channels
    assert conv_parameters(case.spec, bias=True) == case.kernel().size + case.spec.out_channels


@_LAW
@given(sites.cases())
def test_a_chain_leads_from_the_inputs_of_the_conv_to_its_outputs(case: Case) -> None:
    chain = case.form.chain(case.spec, case.rank)
    ends = [case.spec.in_channels, *(spec.out_channels for spec in chain)]
    assert [spec.in_channels for spec in chain] == ends[:-1]
    assert ends[-1] == case.spec.out_channels


def _conv(in_channels: int, out_channels: int, kernel: tuple[int, ...], group: int) -> ConvSpec:
    axes = len(kernel)
    return ConvSpec(in_channels, out_channels, kernel, (1,) * axes, (0,) * 2 * axes, (1,) * axes, group)


@pytest.mark.parametrize("name", PLANNABLE)
@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (_conv(4, 8, (1,), 1), "pointwise"),
        (_conv(4, 8, (1, 1), 1), "pointwise"),
        (_conv(4, 8, (1, 1, 1), 2), "pointwise"),
        (_conv(4, 4, (3, 3), 4), "depthwise"),
        (_conv(4, 8, (3,), 4), "depthwise"),
        (_conv(4, 8, (3, 3), 2), "grouped"),
        (_conv(6, 6, (3, 3, 3), 3), "grouped"),
    ],
)
def test_what_is_not_dense_is_refused_with_a_stable_code(name: str, spec: ConvSpec, code: str) -> None:
    refusal = PLANNABLE[name].applies(spec)
    assert refusal is not None
    assert refusal.code == code
    assert refusal == common_refusal(spec)
    assert refusal.text


@pytest.mark.parametrize("kernel", [(3,), (1, 3), (3, 1), (1, 3, 3), (1, 1, 2), (5, 1, 1)])
def test_spatial_refuses_what_it_cannot_split(kernel: tuple[int, ...]) -> None:
    refusal = FORMS["spatial"].applies(_conv(4, 4, kernel, 1))
    assert refusal is not None
    assert refusal.code == "one-axis"


def test_one_input_channel_is_a_dense_conv() -> None:
    assert all(form.applies(_conv(1, 8, (3, 3), 1)) is None for form in PLANNABLE.values())


def test_no_rank_is_offered_where_none_is_cheaper() -> None:
    site = ConvSite(_conv(1, 1, (3, 3), 1), 1, (8, 8))
    assert FORMS["depthwise-pointwise"].ranks(site) == ()
    assert FORMS["pointwise-depthwise"].ranks(site) == ()
