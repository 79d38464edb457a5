"""A realistic run: a small residual network of twelve convolutions, nine of them replaced."""

from __future__ import annotations

import random
from dataclasses import dataclass

import msgspec

from convprof.macs import conv_macs, conv_parameters
from convprof.records.analysis import Analysis, ConvReport, FormOption, ModelFile, TensorSpec, Totals, Uncounted
from convprof.records.benchmark import BatchTimes, Benchmark, Comparison, Environment, ModelTimes, Throughput
from convprof.records.convs import ConvSpec
from convprof.records.factors import Recipe
from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity, SampleFidelity
from convprof.records.machine import Machine
from convprof.records.plan import Budget, KeptLayer, Plan, PlannedLayer, Prediction
from convprof.records.remarks import Remark
from convprof.records.run import FittedLayer, LayerChange, Run, RunVerdict, Stage, StageScore

REFUSED_STEM = Remark("too-few-channels", "3 input channels: a separable stem would cost more than it saves")
REFUSED_POINTWISE = Remark("pointwise", "a 1x1 kernel has no spatial part to separate")
NOT_WORTH = Remark("slower-when-measured", "no candidate was faster than the dense conv on this machine")


@dataclass(frozen=True)
class Row:
    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int
    size: int


ROWS = (
    Row("/stem/Conv", 3, 64, 7, 2, 112),
    Row("/layer1/layer1.0/conv1/Conv", 64, 64, 3, 1, 56),
    Row("/layer1/layer1.0/conv2/Conv", 64, 64, 3, 1, 56),
    Row("/layer2/layer2.0/conv1/Conv", 64, 128, 3, 2, 28),
    Row("/layer2/layer2.0/conv2/Conv", 128, 128, 3, 1, 28),
    Row("/layer2/layer2.0/downsample/Conv", 64, 128, 1, 2, 28),
    Row("/layer3/layer3.0/conv1/Conv", 128, 256, 3, 2, 14),
    Row("/layer3/layer3.0/conv2/Conv", 256, 256, 3, 1, 14),
    Row("/layer3/layer3.0/conv3/Conv", 256, 256, 3, 1, 14),
    Row("/layer4/layer4.0/conv1/Conv", 256, 512, 3, 2, 7),
    Row("/layer4/layer4.0/conv2/Conv", 512, 512, 3, 1, 7),
    Row("/layer4/layer4.0/conv3/Conv", 512, 512, 3, 1, 7),
)
SAMPLES = (SampleFidelity("worst", 1733, 1.21), SampleFidelity("median", 12, 0.31), SampleFidelity("best", 3001, 0.02))
PLANNED = {1: 2, 2: 2, 4: 2, 6: 3, 7: 2, 8: 1, 9: 3, 10: 2, 11: 1}


def spec(row: Row) -> ConvSpec:
    pad = row.kernel // 2
    return ConvSpec(row.inputs, row.outputs, (row.kernel,) * 2, (row.stride,) * 2, (pad,) * 4, (1, 1))


def options(row: Row, dice: random.Random) -> tuple[FormOption, ...]:
    dense = conv_macs(spec(row), (row.size, row.size))
    weights = conv_parameters(spec(row))
    found = []
    for rank in (1, 2, 3, 4):
        share = rank * (1 / row.outputs + 1 / 9)
        kept = 1 - (1 - rank / 9) ** (1.9 + 0.5 * dice.random())
        found.append(
            FormOption(
                "depthwise-pointwise", (rank,), round(dense * share), round(weights * share), kept, rank / 9 + 0.05
            )
        )
    for part in (8, 4, 2):
        rank = row.outputs // part
        share = 2 * rank * (row.inputs + row.outputs) / (6 * row.inputs * row.outputs)
        kept = min(0.99, (1 / part) ** 0.35 + 0.06 * dice.random())
        found.append(
            FormOption("spatial", (rank,), round(dense * share), round(weights * share), kept, 1.6 / part**0.8 * 0.55)
        )
    for part in (4, 2):
        rank_in, rank_out = row.inputs // part, row.outputs // part
        share = 1 / part**2 + (1 / 9) * (rank_in / row.outputs + rank_out / row.inputs) / 1.3
        kept = min(0.98, 0.55 + 0.35 / part + 0.1 * dice.random())
        found.append(
            FormOption(
                "tucker2", (rank_in, rank_out), round(dense * share), round(weights * share), kept, 1 / part**1.2
            )
        )
    return tuple(found)


def conv(row: Row, dice: random.Random) -> ConvReport:
    reason = REFUSED_STEM if row.inputs == 3 else REFUSED_POINTWISE if row.kernel == 1 else None
    geometry = spec(row)
    return ConvReport(
        name=row.name,
        node_name=row.name,
        op_type="Conv",
        scope="",
        kind="pointwise" if row.kernel == 1 else "standard",
        input_shape=(1, row.inputs, row.size * row.stride, row.size * row.stride),
        output_shape=(1, row.outputs, row.size, row.size),
        weight_shape=geometry.weight_shape,
        kernel_shape=geometry.kernel_shape,
        strides=geometry.strides,
        pads=geometry.pads,
        dilations=geometry.dilations,
        group=1,
        dtype="float32",
        macs=conv_macs(geometry, (row.size, row.size)),
        parameters=conv_parameters(geometry, bias=True),
        share=None,
        eligible=reason is None,
        reason=reason,
        forms=() if reason else options(row, dice),
    )


def analysis() -> Analysis:
    dice = random.Random(7)
    convs = tuple(conv(row, dice) for row in ROWS)
    work = sum(each.macs or 0 for each in convs)
    total = work + 512_000
    convs = tuple(msgspec.structs.replace(each, share=(each.macs or 0) / total) for each in convs)
    return Analysis(
        schema="convprof.analysis/1",
        convprof="0.1.0",
        model=ModelFile("models/resnet12_imagenette.onnx", "9f" * 32, 10, 18, "pytorch 2.6"),
        inputs=(TensorSpec("input", "float32", (1, 3, 224, 224)),),
        totals=Totals(
            macs=total,
            macs_formula=f"{total}*N",
            parameters=sum(each.parameters for each in convs) + 513_000,
            conv_macs=work,
            eligible_macs=sum(each.macs or 0 for each in convs if each.eligible),
            eligible_convs=sum(each.eligible for each in convs),
            convs=len(convs),
        ),
        uncounted=(Uncounted("Softmax", "", 1), Uncounted("GlobalAveragePool", "", 1)),
        convs=convs,
        notices=(Remark("batch-assumed", "the batch dimension N is symbolic and was counted as 1"),),
    )


def changes(before: Analysis) -> tuple[LayerChange, ...]:
    found = []
    for at, each in enumerate(before.convs):
        rank = PLANNED.get(at)
        share = rank * (1 / ROWS[at].outputs + 1 / 9) if rank else 1.0
        latency = (each.macs or 0) / 6.1e7 + 0.05
        found.append(
            LayerChange(
                name=each.name,
                macs_before=each.macs or 0,
                macs_after=round((each.macs or 0) * share),
                parameters_before=each.parameters,
                parameters_after=round(each.parameters * share),
                latency_before_ms=latency,
                latency_after_ms=latency * (0.12 + 1.02 * share) if rank else latency * 1.01,
            )
        )
    return tuple(found)


def after(before: Analysis, layers: tuple[LayerChange, ...]) -> Analysis:
    saved = sum(each.macs_before - each.macs_after for each in layers)
    smaller = sum(each.parameters_before - each.parameters_after for each in layers)
    totals = before.totals
    return msgspec.structs.replace(
        before,
        model=ModelFile("resnet12_imagenette.separable.onnx", "3c" * 32, 10, 18, "convprof 0.1.0"),
        totals=msgspec.structs.replace(totals, macs=totals.macs - saved, parameters=totals.parameters - smaller),
    )


def times(path: str, median: float, spread: float, seed: int) -> ModelTimes:
    dice = random.Random(seed)
    samples = [
        median + dice.gauss(0, spread) + (dice.expovariate(1 / spread) if dice.random() < 0.1 else 0)
        for _ in range(240)
    ]
    samples[17] = median * 2.9
    ordered = sorted(samples)
    return ModelTimes(
        path=path,
        sha256="ab" * 32,
        samples_ms=tuple(samples),
        median_ms=(ordered[119] + ordered[120]) / 2,
        iqr_ms=ordered[180] - ordered[60],
        percentiles_ms={"90": ordered[216], "95": ordered[228]},
        load_ms=median * 4,
        first_ms=median * 1.7,
        peak_memory=118_000_000,
    )


def throughput(batch: int, models: tuple[ModelTimes, ...], comparisons: tuple[Comparison, ...]) -> Throughput:
    """As if a batch took as long as its samples one by one."""
    return Throughput(
        batch=batch,
        models=tuple(
            BatchTimes(
                msgspec.structs.replace(each, median_ms=batch * each.median_ms),
                1000 / each.median_ms,
                (980 / each.median_ms, 1020 / each.median_ms),
                0.95,
            )
            for each in models
        ),
        comparisons=comparisons,
        cautions=(Remark("noisy", "the middle half of the times spans 14% of the median"),),
    )


def benchmark() -> Benchmark:
    models = (
        times("models/resnet12_imagenette.onnx", 18.42, 0.35, 1),
        times("resnet12_imagenette.separable.onnx", 8.71, 0.22, 2),
        times("resnet12_imagenette.int8.onnx", 10.9, 0.3, 3),
    )
    comparisons = (
        Comparison(0, 1, 2.114, (2.071, 2.158), 0.95, "faster"),
        Comparison(0, 2, 1.69, (1.651, 1.732), 0.95, "faster"),
    )
    return Benchmark(
        schema="convprof.benchmark/1",
        models=models,
        comparisons=comparisons,
        environment=Environment(
            "Intel Xeon Platinum 8481C @ 2.70GHz",
            2,
            1,
            ("CPUExecutionProvider",),
            "1.23.2",
            "Linux 6.8",
            "3.11.9",
            "2.2.1",
            "0.1.0",
            session_options={"session.intra_op.allow_spinning": "0"},
        ),
        machine=Machine(
            physical_cores=1,
            logical_cores=2,
            core_quota=1.5,
            instruction_sets=("avx2", "avx512_vnni"),
            memory=1 << 34,
            memory_limit=1 << 33,
            governor="performance",
            turbo=False,
            container="podman",
            hypervisor="KVM",
            load_average=(0.31, 0.2, 0.1),
            variables={"OMP_NUM_THREADS": "1"},
            onnxruntime_build="Release",
            available_providers=("CPUExecutionProvider",),
            onnx="1.19.0",
        ),
        throughput=tuple(throughput(batch, models, comparisons) for batch in (8, 32)),
        command="convprof bench models/resnet12_imagenette.onnx resnet12_imagenette.separable.onnx --batch 8,32",
        cautions=(
            Remark("noisy-machine", "the model against itself differed by 1.8 %: smaller differences mean nothing"),
        ),
    )


def fidelity() -> Fidelity:
    return Fidelity(
        schema="convprof.fidelity/1",
        samples=3925,
        outputs=(
            OutputFidelity("logits", 2.318, 0.0941, 20.53, 0.9712, True, SAMPLES),
            OutputFidelity("features", 0.5, 0.031, 30.2, None, True),
        ),
        metric=MetricChange("top-1 accuracy", 0.8672, 0.8611, -0.0061, (-0.0102, -0.0021), 0.95),
    )


def scored(after: float, interval: tuple[float, float]) -> Fidelity:
    change = MetricChange("top-1 accuracy", 0.8672, after, after - 0.8672, interval, 0.95)
    return msgspec.structs.replace(fidelity(), metric=change)


def plan(before: Analysis) -> Plan:
    return Plan(
        schema="convprof.plan/1",
        model=before.model,
        layers=tuple(
            PlannedLayer(ROWS[at].name, "spatial" if at == 8 else "depthwise-pointwise", (rank,), "sum")
            for at, rank in PLANNED.items()
        ),
        kept=(
            KeptLayer(ROWS[0].name, REFUSED_STEM),
            KeptLayer(ROWS[3].name, NOT_WORTH),
            KeptLayer(ROWS[5].name, REFUSED_POINTWISE),
        ),
        budget=Budget(0.45),
        predicted=Prediction(402_000_000, 2_100_000, 8.4, 0.31),
    )


def run() -> Run:
    before = analysis()
    layers = changes(before)
    dice = random.Random(11)
    fits = tuple(
        FittedLayer(
            ROWS[at].name,
            "depthwise-pointwise",
            (rank,),
            error := 0.004 + 0.09 / rank**2 * dice.random(),
            error * (3 + 9 * dice.random()),
            0.02 + 0.015 * number + 0.01 * dice.random(),
        )
        for number, (at, rank) in enumerate(PLANNED.items())
    )
    return Run(
        schema="convprof.run/1",
        convprof="0.1.0",
        command="convprof optimize models/resnet12_imagenette.onnx --data calibration.npz --target-macs 0.45 -o runs/r",
        analysis=before,
        analysis_after=after(before, layers),
        plan=plan(before),
        fits=fits,
        layers=layers,
        fidelity=fidelity(),
        benchmark=benchmark(),
        stages=(
            Stage("analysis", 0.8, None),
            Stage("pricing", 64.0, None),
            Stage("sensitivity", 41.2, 256),
            Stage("planning", 0.4, None),
            Stage("fitting", 133.0, 1024),
            Stage("tuning", 812.0, 9469),
            Stage("verification", 48.0, 3925),
            Stage("benchmarking", 38.0, None),
        ),
        verdict=RunVerdict(
            True,
            "2.11 times faster for 0.6 points of top-1 accuracy: worth it, and faster than int8 alone on this machine.",
            2.114,
            (2.071, 2.158),
            -0.0061,
            -0.62,
        ),
        notices=(Remark("calibration-small", "1,024 calibration inputs: more would make the fit steadier"),),
        scores=(
            StageScore("weights only", scored(0.1124, (-0.7712, -0.7381)), None, 0.4),
            StageScore("closed form", fidelity(), 1024, 133.0),
        ),
    )


def refitted_run() -> Run:
    """The same run with one of the layers that it keeps refitted."""
    full, replace = run(), msgspec.structs.replace
    name = ROWS[3].name
    return replace(
        full,
        plan=replace(
            full.plan,
            layers=(*full.plan.layers, PlannedLayer(name, "dense", ())),
            kept=tuple(each for each in full.plan.kept if each.name != name),
        ),
        fits=(*full.fits, FittedLayer(name, "dense", (), 0.002, 0.05, 0.04, Recipe(1e-4))),
    )


def bare_run() -> Run:
    """The same run with everything left out that a record may leave out."""
    full = run()
    replace = msgspec.structs.replace
    analysis = replace(
        full.analysis,
        model=ModelFile("bare.onnx", ""),
        inputs=(TensorSpec("x", "float32", None), TensorSpec("y", "float32", (None, 3))),
        totals=replace(full.analysis.totals, macs=0, macs_formula=None, parameters=0),
        convs=tuple(
            replace(
                each,
                input_shape=None,
                output_shape=None,
                weight_shape=None,
                dtype=None,
                macs=None,
                share=None,
                reason=None,
                forms=tuple(replace(option, energy=None, energy_random=None) for option in each.forms),
            )
            for each in full.analysis.convs
        ),
        uncounted=(),
        notices=(),
    )
    return replace(
        full,
        analysis=analysis,
        analysis_after=analysis,
        plan=replace(full.plan, kept=(), budget=Budget(), predicted=Prediction()),
        fits=tuple(replace(each, error=None, error_weights=None, model_error=None) for each in full.fits),
        layers=tuple(replace(each, latency_before_ms=None, latency_after_ms=None) for each in full.layers),
        fidelity=None,
        benchmark=replace(
            full.benchmark,
            models=tuple(
                replace(each, samples_ms=(), percentiles_ms={}, peak_memory=None) for each in full.benchmark.models
            ),
            comparisons=(),
            cautions=(),
            machine=None,
            throughput=(),
            command="",
        ),
        stages=(),
        verdict=replace(full.verdict, metric_change=None, worth_it=False, text="not worth it: nothing was measured"),
        notices=(),
        scores=(),
    )
