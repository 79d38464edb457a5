"""Claim: MACs and parameters are exact, and every difference from other counters has a known cause.

Counts VGG, ResNet and MobileNet at 224x224 (torch twins, exported with BatchNorm unfolded), the sample models and the
trained networks in --models with convprof, onnx-tool, onnxsim's ModelInfo and fvcore (on the twin), next to the
published numbers. The differences are taken apart operator by operator; what is left over must be zero.

    python benchmarks/counts.py [--models DIR]

Leaves with 1 if a count of convprof is not the published one, or a difference stays unexplained. About two minutes.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path

import networks
import onnx
import onnx_tool
import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from onnxsim.model_info import ModelInfo
from writing import Page, parser

import convprof
from convprof.records.analysis import Analysis

_SAMPLES = Path(__file__).resolve().parents[1] / "sample_models"
_SIZE = 224
_GROUPS = {
    "BatchNormalization": "BatchNorm",
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh"), "activations"),
    **dict.fromkeys(
        ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMean"), "pooling"
    ),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), "arithmetic"),
}
_COLUMNS = ("bias adds", "BatchNorm", "activations", "pooling", "arithmetic", "other")
_CORE = ("Conv", "Gemm", "MatMul", "ConvTranspose")


@dataclass(frozen=True)
class Known:
    """Published counts; `unit` is what they are rounded to."""

    macs: int
    parameters: int | None
    unit: int = 1

    def agrees(self, macs: int, parameters: int) -> bool:
        """Whether a count is the published one."""
        return round(macs / self.unit) == self.macs // self.unit and self.parameters in (None, parameters)

    def __str__(self) -> str:
        """The MACs with thousands apart."""
        return f"{self.macs:,}" if self.unit == 1 else f"{self.macs // self.unit:,} M"


@dataclass(frozen=True)
class Case:
    """A file, the sizes of its input, and what is known of it."""

    name: str
    path: Path
    shape: tuple[int, ...]
    known: Known
    network: torch.nn.Module | None = None


@dataclass
class Count:
    """All that was counted for one case; `extra` is onnx-tool's surplus by cause, `fvcore` its count by operator."""

    name: str
    shape: tuple[int, ...]
    known: str
    right: bool
    macs: int
    parameters: int
    uncounted: list[str]
    onnx_tool: int = 0
    onnx_tool_parameters: int = 0
    running_statistics: int = 0
    onnxsim: int = 0
    extra: dict[str, int] = field(default_factory=dict)
    fvcore: dict[str, int] | None = None
    fvcore_skipped: dict[str, int] = field(default_factory=dict)
    torch_parameters: int | None = None

    @property
    def unexplained(self) -> int:
        """What the causes do not account for: MACs of onnx-tool, onnxsim and fvcore, and parameters."""
        kernels = 0 if self.fvcore is None else self.macs - self.fvcore["conv"] - self.fvcore["linear"]
        parameters = self.onnx_tool_parameters - self.running_statistics - self.parameters
        macs = self.onnx_tool - self.macs - sum(self.extra.values())
        return abs(macs) + abs(parameters) + abs(self.onnxsim - self.macs) + abs(kernels)


_NETWORKS = {
    "VGG16": Known(15_470_264_320, 138_357_544),
    "VGG19": Known(19_632_062_464, 143_667_240),
    "ResNet-18": Known(1_814_073_344, 11_689_512),
    "ResNet-34": Known(3_663_761_408, 21_797_672),
    "ResNet-50": Known(4_089_184_256, 25_557_032),
    "ResNet-101": Known(7_801_405_440, 44_549_160),
    "MobileNet-v1": Known(568_740_352, 4_231_976),
    "MobileNet-v2": Known(300_774_272, 3_504_872),
}
_SAMPLE_CASES = {
    "digits_vgg": ((1, 1, 32, 32), Known(38_044_928, 287_722)),
    "denoiser": ((1, 1, 96, 96), Known(963_477_504, 105_073)),
}
_TRAINED = {
    "resnet20_cifar10": ((1, 3, 32, 32), Known(40_813_184, 271_690)),
    "wide_cifar10": ((1, 3, 32, 32), Known(190_515_712, 1_848_714)),
    "dncnn_25": ((1, 1, 256, 256), Known(36_314_000_000, None, 1_000_000)),
    "waifu2x_vgg7_scale_rgb": ((1, 3, 142, 142), Known(5_029_000_000, None, 1_000_000)),
    "espcn_x3": ((1, 1, 224, 224), Known(2_985_000_000, None, 1_000_000)),
}


def main() -> int:
    """Count everything, explain it, write the page."""
    options = parser(__doc__).parse_args()
    page = Page(
        "counts",
        "MACs and parameters, beside other counters",
        "The counts are exact, and every difference from another tool has a cause that is named and adds up.",
        "python benchmarks/counts.py --models MODELS",
        facts={"seed of the random weights": 0, "n": "deterministic: one count each"},
    )
    prices: dict[str, set[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        counts = [_count(case, prices) for case in _cases(Path(folder), options.models)]
    _tell(page, counts, prices)
    page.raw["counts"] = [asdict(count) | {"unexplained": count.unexplained} for count in counts]
    page.write(options.output, ("onnx", "onnx-tool", "onnxsim", "fvcore", "torch"))
    return int(any(count.unexplained or not count.right for count in counts))


def _cases(folder: Path, models: Path | None) -> Iterator[Case]:
    for name, known in _NETWORKS.items():
        print(f"counting {name}", file=sys.stderr)
        network, path = networks.build(name), folder / f"{name}.onnx"
        networks.export(network, _SIZE, path)
        yield Case(name, path, (1, 3, _SIZE, _SIZE), known, network)
        path.unlink()
    for name, (shape, known) in _SAMPLE_CASES.items():
        yield Case(name, _SAMPLES / f"{name}.onnx", shape, known)
    for name, (shape, known) in _TRAINED.items() if models else ():
        yield Case(name, models / f"{name}.onnx", shape, known)


def _count(case: Case, prices: dict[str, set[float]]) -> Count:
    found = convprof.analyze(case.path, input_shapes={"": case.shape}, max_rank=0)
    macs, parameters = found.totals.macs, found.totals.parameters
    count = Count(
        case.name,
        case.shape,
        str(case.known),
        case.known.agrees(macs, parameters),
        macs,
        parameters,
        [f"{item.op_type} ({item.count})" for item in found.uncounted],
    )
    model = _with_input(onnx.load(case.path), case.shape)
    _count_onnxsim(count, model)
    _count_onnx_tool(count, model, found, prices)
    if case.network is not None:
        _count_fvcore(count, case.network, case.shape)
    return count


def _with_input(model: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    """The model with its sizes fixed: the other tools cannot be told them, or not all in the same way."""
    for size, dim in zip(shape, model.graph.input[0].type.tensor_type.shape.dim, strict=True):
        dim.dim_value = size
    for value in (*model.graph.output, *model.graph.value_info):
        value.type.tensor_type.ClearField("shape")
    return model


def _count_onnxsim(count: Count, model: onnx.ModelProto) -> None:
    count.onnxsim = int(ModelInfo(model).macs)


def _count_onnx_tool(count: Count, model: onnx.ModelProto, found: Analysis, prices: dict[str, set[float]]) -> None:
    """As `onnx_tool.model_profile` does it, but keeping the numbers of every node."""
    graph = onnx_tool.loadmodel(model, {"verbose": False}).graph
    graph.graph_reorder_nodes()
    graph.shape_infer(None)
    graph.profile(exclude_ops=onnx_tool.NoMacsOps)
    count.onnx_tool, count.onnx_tool_parameters = int(graph.macs[0]), int(graph.params)
    extra: Counter[str] = Counter()
    for node in graph.nodemap.values():
        if node.op_type in onnx_tool.NoMacsOps:
            continue
        outputs = _volume(node.outshape)
        surplus = int(node.macs[0])
        if node.op_type in _CORE:
            surplus = outputs if len(node.input) == 3 else 0
        elif surplus:
            prices.setdefault(node.op_type, set()).add(surplus / outputs)
        extra["bias adds" if node.op_type in _CORE else _GROUPS.get(node.op_type, "other")] += surplus
    count.extra = dict(extra)
    count.running_statistics = _running_statistics(model)


def _running_statistics(model: onnx.ModelProto) -> int:
    """Elements of the initialisers that are a BatchNorm's running mean or variance."""
    names = {name for node in model.graph.node if node.op_type == "BatchNormalization" for name in node.input[3:5]}
    return sum(_volume(tensor.dims) for tensor in model.graph.initializer if tensor.name in names)


def _count_fvcore(count: Count, network: torch.nn.Module, shape: tuple[int, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flops = FlopCountAnalysis(network, torch.zeros(shape))
        flops.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        count.fvcore = {name: int(value) for name, value in flops.by_operator().items()}
        count.fvcore_skipped = {name.removeprefix("aten::"): n for name, n in flops.unsupported_ops().items()}
    count.torch_parameters = int(parameter_count(network)[""])


def _volume(shape: Iterable[int]) -> int:
    return prod(int(size) for size in shape)


def _tell(page: Page, counts: list[Count], prices: dict[str, set[float]]) -> None:
    page.say("## MACs")
    page.say("Batch 1. One MAC is one multiply-accumulate of a convolution or a fully connected layer.")
    header = ("network", "input", "published", "convprof", "onnx-tool", "onnxsim", "fvcore on the twin")
    page.table(header, (_macs_row(count) for count in counts))
    right = sum(count.right for count in counts)
    unexplained = sum(count.unexplained for count in counts)
    page.say(
        f"convprof has the published number in {right} of {len(counts)} cases. onnxsim's ModelInfo counts what "
        f"convprof counts. Left unexplained over all tools, networks, MACs and parameters: {unexplained}."
    )
    _tell_onnx_tool(page, counts, prices)
    _tell_fvcore(page, counts)
    _tell_parameters(page, counts)


def _macs_row(count: Count) -> tuple[str, ...]:
    fvcore = "-" if count.fvcore is None else f"{sum(count.fvcore.values()):,}"
    shape = "x".join(map(str, count.shape[1:]))
    return count.name, shape, count.known, f"{count.macs:,}", f"{count.onnx_tool:,}", f"{count.onnxsim:,}", fvcore


def _tell_onnx_tool(page: Page, counts: list[Count], prices: dict[str, set[float]]) -> None:
    page.say("## What onnx-tool counts in addition")
    page.say("Its MACs are meant as instructions: it adds a price for nearly every operator to those of the kernels.")
    rows = []
    for count in counts:
        surplus = count.onnx_tool - count.macs
        parts = [count.extra.get(column, 0) for column in _COLUMNS]
        share = f"{surplus / count.macs:+.1%}"
        rows.append((count.name, f"{surplus:,}", share, *(f"{p:,}" for p in parts), f"{surplus - sum(parts):,}"))
    page.table(("network", "surplus", "share", *_COLUMNS, "unexplained"), rows)
    page.say("The price of one output element, as found in these graphs (a bias costs 1 for each):")
    page.table(
        ("operator", "counted for each output element"),
        ((name, " ".join(f"{price:g}" for price in sorted(found))) for name, found in sorted(prices.items())),
    )
    page.say(
        "BatchNormalization is 31: add, square root (24), divide (4), add, multiply. Clip is two comparisons. Pooling "
        "is one for each element of the window; GlobalAveragePool is one for each element of the map and 4 for the "
        "division."
    )


def _tell_fvcore(page: Page, counts: list[Count]) -> None:
    page.say("## What fvcore counts")
    page.say(
        "Its flops are MACs. Convolutions and fully connected layers agree to the last digit "
        "(`tests/test_fvcore.py`); it adds BatchNorm and adaptive pooling, and it skips the operators in the last "
        "column without counting them."
    )
    rows = []
    for count in counts:
        if count.fvcore is not None:
            kernels = count.fvcore["conv"] + count.fvcore["linear"]
            others = {name: n for name, n in count.fvcore.items() if name not in ("conv", "linear")}
            norm, pool = others.pop("batch_norm", 0), others.pop("adaptive_avg_pool2d", 0)
            left = f"{kernels - count.macs + sum(others.values()):,}"
            skipped = ", ".join(f"{name} ({n})" for name, n in count.fvcore_skipped.items()) or "none"
            rows.append((count.name, f"{kernels:,}", f"{norm:,}", f"{pool:,}", left, skipped))
    header = ("network", "conv + linear", "batch_norm", "adaptive_avg_pool2d", "unexplained", "not counted by fvcore")
    page.table(header, rows)


def _tell_parameters(page: Page, counts: list[Count]) -> None:
    page.say("## Parameters")
    rows = []
    for count in counts:
        left = count.onnx_tool_parameters - count.running_statistics - count.parameters
        own = "-" if count.torch_parameters is None else f"{count.torch_parameters:,}"
        tool, statistics = f"{count.onnx_tool_parameters:,}", f"{count.running_statistics:,}"
        rows.append((count.name, f"{count.parameters:,}", own, tool, statistics, f"{left:,}"))
    header = ("network", "convprof", "torch twin", "onnx-tool", "of these running mean and variance", "unexplained")
    page.table(header, rows)
    page.say("onnx-tool counts BatchNorm's running statistics as parameters; onnxsim's ModelInfo has no such number.")
    listed = sorted({item for count in counts for item in count.uncounted})
    page.say(f"Operators that convprof lists as not counted in these models: {', '.join(listed) or 'none'}.")


if __name__ == "__main__":
    sys.exit(main())
