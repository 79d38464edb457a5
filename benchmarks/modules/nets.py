"""Small networks of the kinds that people export: one of each family, with random weights.

They are meant to hold the operators of their family, not its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


def _conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int | tuple[int, int] = 1, act: type[nn.Module] = nn.ReLU
) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), act())


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(inputs, outputs, 3, stride), _conv(outputs, outputs, 3, 1, nn.Identity))
        self.skip = nn.Identity() if stride == 1 else _conv(inputs, outputs, 1, stride, nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.skip(x))


class _Dense(nn.Module):
    """Each layer sees all before it."""

    def __init__(self, inputs: int, growth: int, count: int) -> None:
        super().__init__()
        widths = [inputs + growth * i for i in range(count)]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, growth, 3, padding=1)) for n in widths
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class _Mixed(nn.Module):
    """Inception: branches of several kernels, one of them 1x7 and 7x1, side by side."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.one = _conv(inputs, 8, 1)
        self.five = nn.Sequential(_conv(inputs, 6, 1), _conv(6, 8, 5))
        self.long = nn.Sequential(nn.Conv2d(inputs, 6, (1, 7), padding=(0, 3)), nn.Conv2d(6, 8, (7, 1), padding=(3, 0)))
        self.pool = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), _conv(inputs, 8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.five(x), self.long(x), self.pool(x)], 1)


class _UNet(nn.Module):
    """Down by pools, up by ConvTranspose and by bilinear Resize, with group and instance normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.top = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU())
        self.down = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.InstanceNorm2d(16, affine=True))
        self.floor = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"))
        self.up = nn.ConvTranspose2d(16, 16, 3, 2, 1, 1)
        self.last = nn.Sequential(nn.Conv2d(40, 8, 3, padding=1), nn.PReLU(8), nn.Conv2d(8, 2, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        top = self.top(x)
        middle = self.down(top)
        joined = torch.cat([middle, self.up(self.floor(middle))], 1)
        wide = functional.interpolate(joined, size=top.shape[-2:], mode="bilinear", align_corners=False)
        made: Tensor = self.last(torch.cat([top, wide], 1))
        return made


class _Detector(nn.Module):
    """Two scales, SiLU, a pyramid by nearest Resize, pools of one size in a row, boxes decoded from a grid."""

    sizes: Tensor

    def __init__(self, anchors: int = 2, classes: int = 3) -> None:
        super().__init__()
        self.each, self.anchors = classes + 5, anchors
        self.stem = nn.Sequential(_conv(3, 8, 3, 2, nn.SiLU), _conv(8, 16, 3, 2, nn.SiLU))
        self.deep = _conv(16, 16, 3, 2, nn.Hardswish)
        self.merge = _conv(64, 16, 1, 1, nn.SiLU)
        self.heads = nn.ModuleList(nn.Conv2d(width, anchors * self.each, 1) for width in (32, 16))
        self.register_buffer("sizes", torch.tensor([[10.0, 13.0], [33.0, 23.0]]).reshape(1, anchors, 1, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        high = self.stem(x)
        low = self.deep(high)
        once = functional.max_pool2d(low, 5, 1, 2)
        twice = functional.max_pool2d(once, 5, 1, 2)
        low = self.merge(torch.cat([low, once, twice, functional.max_pool2d(twice, 5, 1, 2)], 1))
        high = torch.cat([high, functional.interpolate(low, scale_factor=2.0, mode="nearest")], 1)
        scales = zip(self.heads, (high, low), (4, 8), strict=True)
        return torch.cat([self._boxes(head(values), stride) for head, values, stride in scales], 1)

    def _boxes(self, values: Tensor, stride: int) -> Tensor:
        n, _, h, w = values.shape
        cells = values.view(n, self.anchors, self.each, h, w).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        grid = torch.stack([columns, rows], 2).reshape(1, 1, h, w, 2).to(values.dtype)
        place = (cells[..., :2] * 2 - 0.5 + grid) * stride
        extent = (cells[..., 2:4] * 2) ** 2 * self.sizes
        return torch.cat([place, extent, cells[..., 4:]], -1).reshape(n, -1, self.each)


class _Recogniser(nn.Module):
    """CRNN: columns of a picture as steps of two recurrent layers, one of them in both directions."""

    def __init__(self, classes: int = 11) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(1, 8), nn.MaxPool2d(2), _conv(8, 16), nn.MaxPool2d((2, 1)), _conv(16, 16, 3, (4, 1))
        )
        self.both = nn.LSTM(16, 12, bidirectional=True)
        self.one = nn.GRU(24, 10)
        self.last = nn.Linear(10, classes)

    def forward(self, x: Tensor) -> Tensor:
        columns = self.body(x).flatten(1, 2).permute(2, 0, 1)
        steps, _ = self.both(columns)
        steps, _ = self.one(steps)
        return functional.log_softmax(self.last(steps), -1)


class _Gated(nn.Module):
    """MobileNet-v3: depthwise convs, hard activations, and channels weighed by their means."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = _conv(3, 16, 1, 1, nn.Hardswish)
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 5, 2, 2, groups=16, bias=False), nn.BatchNorm2d(16))
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1), nn.Hardsigmoid()
        )
        self.last = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(16, 7))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.depthwise(self.widen(x)))
        made: Tensor = self.last(x * self.gate(x))
        return made


class _Sharper(nn.Module):
    """Super-resolution: pixels unshuffled and shuffled, a bicubic picture underneath."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, 16, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(16, 48, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        below = functional.interpolate(x, scale_factor=2.0, mode="bicubic", align_corners=False)
        return below + functional.pixel_shuffle(self.body(x), 4)


class _Patches(nn.Module):
    """A hybrid: patches by a strided conv, one block of attention with LayerNorm and Gelu."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.before, self.after = nn.LayerNorm(16), nn.LayerNorm(16)
        self.project, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.mix = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        n, count, width = tokens.shape
        split = self.project(self.before(tokens)).reshape(n, count, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        weights = (query @ key.transpose(-2, -1) * (width // 2) ** -0.5).softmax(-1)
        tokens = tokens + self.out((weights @ value).transpose(1, 2).reshape(n, count, width))
        made: Tensor = tokens + self.mix(self.after(tokens))
        return made.mean(1)


def _classifier(body: nn.Module, width: int) -> nn.Module:
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def _densenet() -> nn.Module:
    first, second = _Dense(8, 4, 3), _Dense(10, 4, 2)
    return _classifier(nn.Sequential(nn.Conv2d(3, 8, 3), first, nn.Conv2d(20, 10, 1), nn.AvgPool2d(2), second), 18)


def _inception() -> nn.Module:
    return _classifier(nn.Sequential(_conv(3, 12, 3, 2), _Mixed(12), nn.MaxPool2d(3, 2), _Mixed(32)), 32)


def _sound() -> nn.Module:
    down = nn.Conv1d(2, 8, 9, 2, 4), nn.ELU(), nn.Conv1d(8, 8, 3, dilation=2)
    return nn.Sequential(*down, nn.ConvTranspose1d(8, 3, 4, 2, 1), nn.Tanh())


@dataclass(frozen=True)
class Kind:
    """How to build a network, and the shape of its input."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (2, 3, 32, 32)


KINDS: Mapping[str, Kind] = {
    "ResNet": Kind(
        lambda: _classifier(nn.Sequential(_conv(3, 8), nn.MaxPool2d(3, 2, 1), _Residual(8, 8), _Residual(8, 16, 2)), 16)
    ),
    "DenseNet": Kind(_densenet),
    "Inception": Kind(_inception),
    "U-Net": Kind(_UNet, (2, 3, 24, 40)),
    "detector (YOLO)": Kind(_Detector, (2, 3, 64, 96)),
    "recogniser (CRNN)": Kind(_Recogniser, (2, 1, 16, 40)),
    "gated (MobileNet-v3)": Kind(_Gated),
    "super-resolution": Kind(_Sharper, (2, 3, 16, 20)),
    "conv and attention": Kind(_Patches),
    "video (3-D)": Kind(
        lambda: nn.Sequential(
            nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.MaxPool3d((1, 2, 2)), nn.Conv3d(6, 4, 3)
        ),
        (2, 3, 5, 12, 12),
    ),
    "sound (1-D)": Kind(_sound, (2, 2, 64)),
}


def build(name: str, seed: int = 0) -> nn.Module:
    """The network of that kind, in inference mode, with statistics that are not those of an untrained one."""
    torch.manual_seed(seed)
    network = KINDS[name].build()
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                if tensor is not None:
                    tensor.uniform_(0.5, 1.5)
    return network.eval()
