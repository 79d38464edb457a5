"""A realistic planning of the network of `example_run`: a search, a measured sweep, and what may be missing."""

from __future__ import annotations

import example_run
import hostile
import msgspec

from convprof.records.analysis import ModelFile
from convprof.records.benchmark import Environment
from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity
from convprof.records.plan import Budget, KeptLayer, Measured, Plan, PlannedLayer, Prediction
from convprof.records.planning import FrontPoint, Planning, Round
from convprof.records.prices import CandidatePrice, LatencyTable, LayerPrice, ProbePrice, Timing
from convprof.records.remarks import Remark

DENSE_MS = 18.4
NO_FASTER = Remark("no-faster-form", "no candidate was measurably faster than the conv itself")
ENVIRONMENT = Environment(
    "Intel Xeon Platinum 8481C @ 2.70GHz",
    2,
    1,
    ("CPUExecutionProvider",),
    "1.23.2",
    "Linux",
    "3.11.9",
    "2.2.1",
    "0.1.0",
)


def plan(step: int, steps: int, budget: Budget) -> Plan:
    """The step-th of several plans from gentle to harsh."""
    share = 0.95 * (0.3 / 0.95) ** (step / (steps - 1))
    rank = max(1, 4 - round(3 * step / (steps - 1)))
    count = 2 + round((len(example_run.PLANNED) - 2) * step / (steps - 1))
    names = [example_run.ROWS[at].name for at in example_run.PLANNED][:count]
    layers = tuple(PlannedLayer(name, "depthwise-pointwise", (rank + step,)) for name in names)
    kept = tuple(KeptLayer(row.name, NO_FASTER) for row in example_run.ROWS if row.name not in names)
    return Plan(
        schema="convprof.plan/1",
        model=example_run.analysis().model,
        layers=(*layers, PlannedLayer(kept[-1].name, "dense", ())),
        kept=kept[:-1],
        budget=budget,
        predicted=Prediction(
            round(1.02e9 * share**1.4),
            round(6.4e6 * share**1.2),
            DENSE_MS * share,
            share,
            0.004 * 300 ** (step / (steps - 1)),
            0.0,
        ),
    )


def fidelity(loss: float) -> Fidelity:
    outputs = (OutputFidelity("logits", 1.0, 0.01 + loss, 20.0, 1 - 1.5 * loss, True),)
    metric = MetricChange("top1", 0.8672, 0.8672 - loss, -loss, (-loss - 0.004, -loss + 0.004))
    return Fidelity("convprof.fidelity/1", 3925, outputs, metric)


def measured(found: Plan) -> Plan:
    share = 1.04 * (found.predicted.latency or 1.0) + 0.01
    interval = (share - 0.012, share + 0.014)
    return msgspec.structs.replace(found, measured=Measured(DENSE_MS * share, DENSE_MS, share, interval, 60))


def prices(chosen: Plan) -> LatencyTable:
    def timing(value: float) -> Timing:
        return Timing(value, 0.02 * value, 30)

    layers = tuple(LayerPrice(row.name, timing(0.4 + 0.2 * at)) for at, row in enumerate(example_run.ROWS))
    dense = {each.name: each.time.ms for each in layers}
    return LatencyTable(
        schema="convprof.latency/1",
        model=chosen.model,
        inputs=(),
        precision="float32",
        environment=ENVIRONMENT,
        layers=layers,
        candidates=tuple(
            CandidatePrice(each.name, each.form, each.rank, each.emission, timing(dense[each.name] / 3))
            for each in chosen.layers
        ),
        probes=(
            ProbePrice("dense", 31, 15.9, 1.4, 0.02, timing(DENSE_MS)),
            *(
                ProbePrice(f"depthwise-pointwise sum {at}", 31 + 9 * at, 4.0 + 2 * at, 1.5, 0.1, timing(6.1 + 2 * at))
                for at in range(1, 7)
            ),
        ),
        node_overhead=0.0042,
        cautions=(Remark("noisy-prices", "prices of 2 candidates vary by more than they save"),),
    )


def searched() -> Planning:
    """The fastest plan that loses no more than a point: tried by halving, most plans never tried."""
    steps, budget = 16, Budget(max_drop=1.0)
    losses = {7: 0.0061, 11: 0.193, 9: 0.021, 8: 0.0094}
    plans = [plan(step, steps, budget) for step in range(steps)]
    chosen = measured(plans[8])
    return Planning(
        schema="convprof.planning/1",
        convprof="0.1.0",
        command="convprof plan models/resnet12_imagenette.onnx --calibration calib.npz --max-drop 1 -o run",
        plan=chosen,
        worth_it=True,
        measure="relative-l2",
        front=tuple(
            FrontPoint(each, fidelity(losses[step]) if step in losses else None) for step, each in enumerate(plans)
        ),
        rounds=tuple(
            Round(plans[step].predicted.latency or 1.0, plans[step].predicted.damage or 0.0, 100 * loss, loss <= 0.01)
            for step, loss in losses.items()
        ),
        prices=prices(chosen),
        notices=(Remark("planned-again", "the plan was slower than expected, so it was planned again for less"),),
        dense_macs=1_020_000_000,
        dense_parameters=6_400_000,
    )


def swept() -> Planning:
    """A plan for a target, and eight others that were measured beside it."""
    steps, found = 8, searched()
    losses = (0.0005, 0.001, 0.002, 0.0048, 0.011, 0.03, 0.11, 0.42)
    return msgspec.structs.replace(
        found,
        plan=measured(plan(5, 10, Budget(target_latency=0.5, target_params=0.7))),
        measure="relative-l2",
        front=tuple(
            FrontPoint(measured(plan(step, steps, Budget())), fidelity(loss))
            for step, loss in zip(range(steps), losses, strict=True)
        ),
        rounds=(),
        notices=(),
    )


def bare() -> Planning:
    """Everything left out that a record may leave out: no prices, no measurements, no predictions, no front."""
    found = searched()
    return msgspec.structs.replace(
        found,
        plan=msgspec.structs.replace(found.plan, budget=Budget(), predicted=Prediction(), measured=None),
        front=(),
        rounds=(),
        prices=None,
        notices=(),
        dense_macs=None,
        dense_parameters=None,
    )


def by_macs() -> Planning:
    """Plans chosen by MACs alone: no times anywhere."""
    found = searched()

    def timeless(each: Plan) -> Plan:
        expected = msgspec.structs.replace(each.predicted, latency=None, latency_ms=None)
        return msgspec.structs.replace(each, predicted=expected, measured=None, budget=Budget(target_macs=0.5))

    return msgspec.structs.replace(
        found,
        plan=timeless(found.plan),
        front=tuple(FrontPoint(timeless(each.plan)) for each in found.front[::2]),
        rounds=(),
        prices=None,
        notices=(),
    )


def nothing() -> Planning:
    """No conv has a faster candidate."""
    found = bare()
    kept = tuple(KeptLayer(row.name, NO_FASTER) for row in example_run.ROWS)
    expected = Prediction(1_020_000_000, 6_400_000, DENSE_MS, 1.0, 0.0, 0.0)
    return msgspec.structs.replace(
        found,
        plan=msgspec.structs.replace(found.plan, layers=(), kept=kept, predicted=expected),
        worth_it=False,
        notices=(Remark("nothing-faster", "no conv has a candidate that is measurably faster than itself"),),
    )


def no_faster() -> Planning:
    """A plan whose graph, once measured, was not faster."""
    found = swept()
    slow = Measured(18.5, DENSE_MS, 1.005, (0.99, 1.02), 60)
    return msgspec.structs.replace(found, plan=msgspec.structs.replace(found.plan, measured=slow), worth_it=False)


def spoiled() -> Planning:
    """Names in layers, labels, metrics and remarks that try to be more than names."""
    found, replace = searched(), msgspec.structs.replace
    names = {row.name: name for row, name in zip(example_run.ROWS, hostile.NAMES, strict=True)}

    def renamed(each: Plan) -> Plan:
        return replace(
            each,
            model=ModelFile(hostile.NAMES[0], hostile.NAMES[5]),
            layers=tuple(replace(layer, name=names[layer.name]) for layer in each.layers),
            kept=tuple(KeptLayer(names[kept.name], Remark(hostile.NAMES[2], hostile.NAMES[1])) for kept in each.kept),
        )

    def spoilt(each: Fidelity | None) -> Fidelity | None:
        if each is None or each.metric is None:
            return each
        return replace(each, metric=replace(each.metric, name=hostile.NAMES[1] + hostile.NAMES[5]))

    assert found.prices is not None
    table = found.prices
    return replace(
        found,
        command=" ".join(hostile.NAMES),
        plan=renamed(found.plan),
        front=tuple(FrontPoint(renamed(each.plan), spoilt(each.fidelity)) for each in found.front),
        prices=replace(
            table,
            precision=hostile.NAMES[4],
            environment=replace(table.environment, cpu=hostile.NAMES[1]),
            layers=tuple(replace(each, name=names[each.name]) for each in table.layers),
            candidates=tuple(replace(each, name=names[each.name]) for each in table.candidates),
            probes=tuple(replace(each, label=name) for each, name in zip(table.probes, hostile.NAMES, strict=False)),
            cautions=tuple(Remark(name, name) for name in hostile.NAMES),
        ),
        notices=tuple(Remark(name, name) for name in hostile.NAMES),
    )
