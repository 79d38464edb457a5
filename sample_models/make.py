"""Train the two sample models and write them with their data.

Writes, next to this script or into ``--out``:

* ``digits_vgg.onnx``, ``digits_calib.npz``, ``digits_test.npz``: a VGG-like classifier of
  scikit-learn's handwritten digits (BatchNorm folded into the convolutions);
* ``denoiser.onnx``, ``denoiser_calib.npz``, ``denoiser_test.npz``: a DnCNN-like denoiser of grey
  photographs that ship inside scikit-image (BatchNorm left in the file);
* ``scores.json``: what ONNX Runtime measures on the written files.

Run it with::

    python sample_models/make.py [--out DIR] [--only digits|denoiser]

It needs torch, onnx, onnxruntime, scikit-learn and scikit-image, no network and no GPU. Both models
train in about twelve minutes on two cores that have bfloat16 instructions, longer without. Pictures
are stored as uint8 NHWC; a model is fed ``float32 = uint8 / 255`` in NCHW order.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import skimage
import skimage.data
import sklearn
import torch
from onnx import TensorProto, helper, numpy_helper
from skimage.color import rgb2gray
from skimage.restoration import denoise_nl_means
from skimage.transform import resize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

SEED = 20240
OPSET = 17
IR_VERSION = 8

DIGITS_CHANNELS = (32, 32, 64, 64, 128, 128)
DIGITS_POOL_AFTER = (1, 3)
DIGITS_TEST = 797
DIGITS_EPOCHS = 40
DIGITS_BATCH = 50

DENOISER_WIDTH = 48
DENOISER_MIDDLE = 5
DENOISER_STEPS = 5800
DENOISER_EXACT_STEPS = 500  # the last steps, in float32; the earlier ones are in bfloat16
DENOISER_BATCH = 32
DENOISER_CROP = 40
TRAIN_PHOTOS = {  # and how often each is drawn: scenes more often than textures
    "astronaut": 3,
    "coffee": 3,
    "clock": 1,
    "retina": 1,
    "brick": 1,
    "grass": 1,
    "gravel": 1,
}
TEST_PHOTOS = ("camera", "chelsea", "rocket")
SIGMA = 25.0  # of 255


# --------------------------------------------------------------------------- pictures


def feed(pictures: U8) -> F32:
    """Turn uint8 NHWC pictures into what a model is fed: float32 NCHW in 0..1."""
    return np.ascontiguousarray(np.moveaxis(pictures, -1, 1), dtype=np.float32) / np.float32(255)


def to_u8(values: npt.NDArray[np.floating[Any]]) -> U8:
    """Clip and round values on the 0..255 scale to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def add_noise(clean: U8, rng: np.random.Generator) -> U8:
    """Return a noisy uint8 picture: Gaussian noise, then clipping and rounding."""
    return to_u8(clean + rng.normal(0.0, SIGMA, clean.shape))


def digit_pictures() -> tuple[U8, npt.NDArray[np.int64]]:
    """Return the 1797 digits upscaled bilinearly from 8x8 to 32x32, and their labels."""
    digits = load_digits()
    pictures = [resize(p / 16.0, (32, 32), order=1, mode="edge") for p in digits.images]
    return to_u8(255.0 * np.stack(pictures))[..., None], digits.target.astype(np.int64)


def photo(name: str) -> U8:
    """Return one of scikit-image's bundled photographs in grey, uint8 (H, W)."""
    picture = getattr(skimage.data, name)()
    return to_u8(255.0 * rgb2gray(picture)) if picture.ndim == 3 else picture


def halved(picture: U8) -> U8:
    """Return the picture at half its size (anti-aliased)."""
    shape = (picture.shape[0] // 2, picture.shape[1] // 2)
    return to_u8(resize(picture.astype(np.float64), shape, anti_aliasing=True))


def random_crop(picture: U8, size: int, rng: np.random.Generator) -> U8:
    """Cut one square out of the picture at a random place."""
    top = rng.integers(picture.shape[0] - size + 1)
    left = rng.integers(picture.shape[1] - size + 1)
    return picture[top : top + size, left : left + size]


def random_turn(crop: U8, rng: np.random.Generator) -> U8:
    """Turn and mirror a square crop at random (eight cases)."""
    turned = np.rot90(crop, int(rng.integers(4)))
    return turned[:, ::-1] if rng.integers(2) else turned


def random_crops(pictures: list[U8], count: int, size: int, rng: np.random.Generator) -> U8:
    """Cut ``count`` squares out of pictures drawn at random; returns uint8 NHWC."""
    chosen = rng.integers(len(pictures), size=count)
    return np.stack([random_crop(pictures[i], size, rng) for i in chosen])[..., None]


def tiles(picture: U8, count: int, size: int, rng: np.random.Generator) -> U8:
    """Return ``count`` different squares of the regular grid that covers the picture."""
    corners = [
        (top, left)
        for top in range(0, picture.shape[0] - size + 1, size)
        for left in range(0, picture.shape[1] - size + 1, size)
    ]
    chosen = rng.choice(len(corners), size=count, replace=False)
    cut = [picture[t : t + size, le : le + size] for t, le in (corners[i] for i in chosen)]
    return np.stack(cut)[..., None]


# --------------------------------------------------------------------------- networks


class DigitsNet(nn.Module):
    """VGG-like classifier: 3x3 conv + BatchNorm + ReLU blocks, average pool, linear layer."""

    def __init__(self) -> None:
        super().__init__()
        ins = (1, *DIGITS_CHANNELS[:-1])
        pairs = list(zip(ins, DIGITS_CHANNELS, strict=True))
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in DIGITS_CHANNELS)
        self.fc = nn.Linear(DIGITS_CHANNELS[-1], 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch of pictures."""
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = functional.relu(norm(conv(x)))
            if i in DIGITS_POOL_AFTER:
                x = functional.max_pool2d(x, 2)
        return self.fc(x.mean((2, 3)))


class DenoiserNet(nn.Module):
    """DnCNN-like denoiser: predicts minus the noise and adds it to the picture."""

    def __init__(self) -> None:
        super().__init__()
        width = DENOISER_WIDTH
        self.head = nn.Conv2d(1, width, 3, padding=1)
        middle = range(DENOISER_MIDDLE)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in middle)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in middle)
        self.tail = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the denoised pictures."""
        y = functional.relu(self.head(x))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = functional.relu(norm(conv(y)))
        return x + self.tail(y)


def prepare(net: nn.Module) -> nn.Module:
    """Initialise the convolutions for ReLU and choose the fast memory layout."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net.to(memory_format=torch.channels_last)


# --------------------------------------------------------------------------- training


def random_affine(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift (up to 2 pixels), turn (up to 10 degrees) and scale (up to 10 %) each picture."""

    def uniform(limit: float) -> torch.Tensor:
        return (2 * torch.rand(len(x), generator=generator) - 1) * limit

    angle, scale = uniform(np.pi / 18), 1 + uniform(0.1)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    limit = 2 * 2 / x.shape[-1]
    theta = torch.stack([cos, -sin, uniform(limit), sin, cos, uniform(limit)], 1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def train(net: nn.Module, steps: int, loss_of_step: Callable[[int], torch.Tensor], rate: float) -> None:
    """Minimise ``loss_of_step`` with Adam and a one-cycle learning rate; leaves the net in eval mode."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.1, final_div_factor=100
    )
    net.train()
    started = time.perf_counter()
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of_step(step)
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % max(1, steps // 8) == 0:
            print(f"  step {step + 1}/{steps}  loss {loss.item():.5f}  {time.perf_counter() - started:.0f} s")
    net.eval()


def train_digits(pictures: U8, labels: npt.NDArray[np.int64]) -> DigitsNet:
    """Train the classifier on labelled pictures."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    net = DigitsNet()
    prepare(net)
    x, y = torch.from_numpy(feed(pictures)), torch.from_numpy(labels)
    per_epoch = len(x) // DIGITS_BATCH
    order = [torch.randperm(len(x), generator=generator) for _ in range(DIGITS_EPOCHS)]

    def loss_of_step(step: int) -> torch.Tensor:
        epoch, batch = divmod(step, per_epoch)
        chosen = order[epoch][batch * DIGITS_BATCH : (batch + 1) * DIGITS_BATCH]
        logits = net(random_affine(x[chosen], generator))
        return functional.cross_entropy(logits, y[chosen], label_smoothing=0.05)

    train(net, DIGITS_EPOCHS * per_epoch, loss_of_step, rate=3e-3)
    return net


def train_denoiser(photos: list[U8]) -> DenoiserNet:
    """Train the denoiser on random crops of photographs, with fresh noise in every step."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    net = DenoiserNet()
    prepare(net)
    with torch.no_grad():
        net.tail.weight *= 0.1  # start near "the picture itself"
    pictures = [*photos, *(halved(p) for p in photos)]

    def loss_of_step(step: int) -> torch.Tensor:
        crops = random_crops(pictures, DENOISER_BATCH, DENOISER_CROP, rng)
        clean = np.stack([random_turn(c, rng) for c in crops])
        x, y = (torch.from_numpy(feed(p)) for p in (add_noise(clean, rng), clean))
        fast = step < DENOISER_STEPS - DENOISER_EXACT_STEPS
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            got = net(x)
        return functional.mse_loss(got.float(), y)

    train(net, DENOISER_STEPS, loss_of_step, rate=2e-3)
    return net


# --------------------------------------------------------------------------- ONNX


class Graph:
    """A chain of ONNX nodes under construction; every node has a readable name of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(
        self,
        op: str,
        name: str,
        inputs: list[str],
        weights: dict[str, torch.Tensor] | None = None,
        output: str | None = None,
        **attributes: int | float | list[int],
    ) -> str:
        """Append a node whose weights follow its inputs; return the name of its output."""
        named = {f"{name}.{key}": value for key, value in (weights or {}).items()}
        for key, value in named.items():
            array = np.ascontiguousarray(value.detach().numpy(), dtype=np.float32)
            self.weights.append(numpy_helper.from_array(array, key))
        output = output or f"{name}.output"
        self.nodes.append(helper.make_node(op, [*inputs, *named], [output], name=name, **attributes))
        return output

    def conv(self, name: str, x: str, weight: torch.Tensor, bias: torch.Tensor | None) -> str:
        """Append a 3x3 convolution with padding 1."""
        weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        return self.add("Conv", name, [x], weights, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def batch_norm(self, name: str, x: str, norm: nn.BatchNorm2d) -> str:
        """Append a BatchNormalization in inference mode."""
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weights = {
            "weight": norm.weight,
            "bias": norm.bias,
            "running_mean": norm.running_mean,
            "running_var": norm.running_var,
        }
        return self.add("BatchNormalization", name, [x], weights, epsilon=norm.eps)

    def save(self, path: Path, shape: list[str | int], output: str, output_shape: list[str | int]) -> None:
        """Check the model and write it; its input is named ``x``."""
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            [info("x", TensorProto.FLOAT, shape)],
            [info(output, TensorProto.FLOAT, output_shape)],
            self.weights,
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="sample_models/make.py"
        )
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weight and bias of one convolution equal to conv + BatchNorm."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    bias = norm.bias.double() - norm.running_mean.double() * factor
    return conv.weight.double() * factor[:, None, None, None], bias


def export_digits(net: DigitsNet, path: Path) -> None:
    """Write the classifier with its BatchNorm folded into the convolutions."""
    graph, x = Graph(), "x"
    for i, (conv, norm) in enumerate(zip(net.convs, net.norms, strict=True)):
        x = graph.conv(f"features.{i}.conv", x, *folded(conv, norm))
        x = graph.add("Relu", f"features.{i}.relu", [x])
        if i in DIGITS_POOL_AFTER:
            x = graph.add("MaxPool", f"features.{i}.pool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = graph.add("GlobalAveragePool", "head.pool", [x])
    x = graph.add("Flatten", "head.flatten", [x], axis=1)
    weights = {"weight": net.fc.weight, "bias": net.fc.bias}
    graph.add("Gemm", "head.fc", [x], weights, output="logits", transB=1)
    graph.save(path, ["N", 1, 32, 32], "logits", ["N", 10])


def export_denoiser(net: DenoiserNet, path: Path) -> None:
    """Write the denoiser with its BatchNorm as nodes of their own."""
    graph = Graph()
    x = graph.conv("head.conv", "x", net.head.weight, net.head.bias)
    x = graph.add("Relu", "head.relu", [x])
    for i, (conv, norm) in enumerate(zip(net.convs, net.norms, strict=True)):
        x = graph.conv(f"body.{i}.conv", x, conv.weight, None)
        x = graph.batch_norm(f"body.{i}.bn", x, norm)
        x = graph.add("Relu", f"body.{i}.relu", [x])
    x = graph.conv("tail.conv", x, net.tail.weight, net.tail.bias)
    graph.add("Add", "residual.add", ["x", x], output="denoised")
    graph.save(path, ["N", 1, "H", "W"], "denoised", ["N", 1, "H", "W"])


# --------------------------------------------------------------------------- scores


def run_onnx(path: Path, pictures: U8) -> F32:
    """Run a written model with ONNX Runtime on uint8 NHWC pictures."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": feed(pictures)})[0])


def run_torch(net: nn.Module, pictures: U8) -> F32:
    """Run a trained network on uint8 NHWC pictures."""
    with torch.no_grad():
        return net(torch.from_numpy(feed(pictures))).numpy()


def mse_per_picture(got: F32, want: F32) -> npt.NDArray[np.float64]:
    """Return the mean squared error of each picture of a batch."""
    return np.mean((got.astype(np.float64) - want) ** 2, axis=(1, 2, 3))


def psnr(got: F32, want: F32) -> float:
    """Return the PSNR in dB (peak 1.0) of each picture, averaged over the pictures."""
    return float(np.mean(-10 * np.log10(mse_per_picture(got, want))))


def pooled_psnr(got: F32, want: F32) -> float:
    """Return the PSNR in dB (peak 1.0) of the mean squared error over all pictures."""
    return float(-10 * np.log10(np.mean(mse_per_picture(got, want))))


def nl_means(pictures: U8) -> F32:
    """Return the pictures denoised by scikit-image's non-local means, the noise level known.

    The options are those that scored best on the test pictures, to the advantage of this baseline.
    """
    sigma = SIGMA / 255
    options = {"patch_size": 5, "patch_distance": 6, "h": 0.8 * sigma, "sigma": sigma, "fast_mode": True}
    done = [denoise_nl_means(p[0], **options) for p in feed(pictures)]
    return np.stack(done)[:, None].astype(np.float32)


def counts(path: Path, shape: tuple[int, ...]) -> dict[str, int]:
    """Count the convolutions, MACs (batch 1) and parameters of a written model.

    MACs are output elements x input channels per group x kernel elements, over the convolutions and
    the fully connected layers; running statistics of BatchNorm are no parameters.
    """
    model = onnx.load(path)
    size = {w.name: tuple(w.dims) for w in model.graph.initializer}
    model.graph.input[0].type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, shape))
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = [*inferred.value_info, *inferred.output]
    out_shape = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    macs = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            macs += int(np.prod(out_shape[node.output[0]][2:])) * int(np.prod(size[node.input[1]]))
        elif node.op_type == "Gemm":
            macs += int(np.prod(size[node.input[1]]))
    parameters = sum(int(np.prod(s)) for name, s in size.items() if ".running_" not in name)
    convs = sum(n.op_type == "Conv" for n in model.graph.node)
    return {"convs": convs, "macs": macs, "parameters": parameters}


def expect(condition: bool, message: str) -> None:
    """Stop with the message unless the condition holds."""
    if not condition:
        raise SystemExit(f"check failed: {message}")


# --------------------------------------------------------------------------- the two samples


def make_digits(out: Path) -> dict[str, float]:
    """Train, write and verify the classifier; return its scores."""
    x, y = digit_pictures()
    parts = train_test_split(x, y, test_size=DIGITS_TEST, stratify=y, random_state=SEED)
    x_train, x_test, y_train, y_test = parts
    print(f"digits: {len(x_train)} training pictures, {len(x_test)} test pictures")
    net = train_digits(x_train, y_train)
    export_digits(net, out / "digits_vgg.onnx")
    np.savez_compressed(out / "digits_calib.npz", x=x_train[:256])
    np.savez_compressed(out / "digits_test.npz", x=x_test, y=y_test)
    return verify_digits(out, run_torch(net, x_test))


def verify_digits(out: Path, trained: F32) -> dict[str, float]:
    """Score the written classifier and compare it with the logits of the trained network."""
    path = out / "digits_vgg.onnx"
    with np.load(out / "digits_test.npz") as data:
        x, y = data["x"], data["y"]
    logits = run_onnx(path, x)
    difference = float(np.abs(logits - trained).max())
    accuracy = float((logits.argmax(1) == y).mean())
    expect(difference < 1e-3, f"ONNX and torch logits differ by {difference:g}")
    expect(accuracy >= 0.97, f"accuracy {accuracy:.4f} is below 0.97")
    return {"accuracy": accuracy, "max_difference_to_torch": difference, **counts(path, (1, 1, 32, 32))}


def make_denoiser(out: Path) -> dict[str, float]:
    """Train, write and verify the denoiser; return its scores."""
    photos = [p for name, weight in TRAIN_PHOTOS.items() for p in [photo(name)] * weight]
    rng = np.random.default_rng(SEED + 1)
    calib = add_noise(random_crops(photos, 128, 48, rng), rng)
    clean = np.concatenate([tiles(photo(name), 8, 96, rng) for name in TEST_PHOTOS])
    noisy = add_noise(clean, rng)
    print(f"denoiser: trains on {', '.join(TRAIN_PHOTOS)}; tests on {', '.join(TEST_PHOTOS)}")
    net = train_denoiser(photos)
    export_denoiser(net, out / "denoiser.onnx")
    np.savez_compressed(out / "denoiser_calib.npz", x=calib)
    np.savez_compressed(out / "denoiser_test.npz", x=noisy, y=clean)
    return verify_denoiser(out, run_torch(net, noisy))


def verify_denoiser(out: Path, trained: F32) -> dict[str, float]:
    """Score the written denoiser and compare it with the output of the trained network."""
    path = out / "denoiser.onnx"
    with np.load(out / "denoiser_test.npz") as data:
        x, y = data["x"], feed(data["y"])
    got = run_onnx(path, x)
    difference = float(np.abs(got - trained).max())
    results = {"": got, "noisy_": feed(x), "nl_means_": nl_means(x)}
    scores = {f"{name}psnr": psnr(value, y) for name, value in results.items()}
    scores |= {f"{name}pooled_psnr": pooled_psnr(value, y) for name, value in results.items()}
    each = len(x) // len(TEST_PHOTOS)
    for i, name in enumerate(TEST_PHOTOS):
        part = slice(i * each, (i + 1) * each)
        scores[f"psnr_{name}"] = psnr(got[part], y[part])
    expect(difference < 1e-4, f"ONNX and torch pictures differ by {difference:g}")
    expect(scores["psnr"] > scores["noisy_psnr"] + 6, f"PSNR {scores['psnr']:.2f} dB is too low")
    return {**scores, "max_difference_to_torch": difference, **counts(path, (1, 1, 96, 96))}


def versions() -> dict[str, str]:
    """Return the versions of Python and the libraries that shape the result."""
    modules = (torch, np, sklearn, skimage, onnx, onnxruntime)
    return {"python": platform.python_version(), **{m.__name__: str(m.__version__) for m in modules}}


MAKERS = {"digits": make_digits, "denoiser": make_denoiser}


def main() -> None:
    """Make the samples asked for on the command line."""
    parser = argparse.ArgumentParser(description="Train the sample models and write them with their data.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into")
    parser.add_argument("--only", choices=sorted(MAKERS), help="make one sample instead of both")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(2)
    score_file = options.out / "scores.json"
    scores: dict[str, Any] = json.loads(score_file.read_text()) if score_file.exists() else {}
    for name in [options.only] if options.only else MAKERS:
        scores[name] = {"seed": SEED, "versions": versions(), **MAKERS[name](options.out)}
        print(json.dumps(scores[name], indent=2))
    score_file.write_text(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    main()
