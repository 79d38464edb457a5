"""Torch twins of the networks whose counts are known (torchvision's layouts), and their export to ONNX.

Weights are random, and no two tensors are alike: the exporter would store equal tensors once (every untrained
BatchNorm has the same beta), and the parameters of the file would no longer be those of the network.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

_VGG16 = (64, 64, "M", 128, 128, "M", *(256,) * 3, "M", *(512,) * 3, "M", *(512,) * 3, "M")
_VGG19 = (64, 64, "M", 128, 128, "M", *(256,) * 4, "M", *(512,) * 4, "M", *(512,) * 4, "M")
_MOBILENET_V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
_MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: type[nn.Module] | None = nn.ReLU
) -> nn.Sequential:
    """Conv without bias, BatchNorm and an activation (None for none)."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([] if act is None else [act()]))


class Residual(nn.Module):
    """x -> act(body(x) + shortcut(x))."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act

    def forward(self, x: Tensor) -> Tensor:
        """Run the block."""
        result: Tensor = self.act(self.body(x) + self.shortcut(x))
        return result


def vgg(layout: Sequence[int | str]) -> nn.Module:
    """VGG without BatchNorm; the adaptive pool of torchvision does nothing at 224x224 and is left out."""
    layers: list[nn.Module] = []
    channels = 3
    for width in layout:
        if isinstance(width, int):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*layers, nn.Flatten(), *dense, nn.Linear(4096, 1000))


def _basic(inputs: int, width: int, stride: int) -> nn.Module:
    body = nn.Sequential(conv_bn(inputs, width, 3, stride), conv_bn(width, width, 3, act=None))
    same = stride == 1 and inputs == width
    return Residual(body, nn.Identity() if same else conv_bn(inputs, width, 1, stride, act=None), nn.ReLU())


def _bottleneck(inputs: int, width: int, stride: int) -> nn.Module:
    body = nn.Sequential(
        conv_bn(inputs, width, 1), conv_bn(width, width, 3, stride), conv_bn(width, 4 * width, 1, act=None)
    )
    same = stride == 1 and inputs == 4 * width
    return Residual(body, nn.Identity() if same else conv_bn(inputs, 4 * width, 1, stride, act=None), nn.ReLU())


def resnet(depths: Sequence[int], *, bottleneck: bool = False) -> nn.Module:
    """ResNet; a bottleneck has its stride in the 3x3 conv, as torchvision has it."""
    block, expansion = (_bottleneck, 4) if bottleneck else (_basic, 1)
    layers: list[nn.Module] = [conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        for number in range(depth):
            layers.append(block(channels, width, 2 if stage and not number else 1))
            channels = expansion * width
    return nn.Sequential(*layers, *_head(channels))


def mobilenet_v1() -> nn.Module:
    """Howard et al. 2017, table 1."""
    layers: list[nn.Module] = [conv_bn(3, 32, 3, 2)]
    channels = 32
    for width, stride in _MOBILENET_V1:
        layers += [conv_bn(channels, channels, 3, stride, groups=channels), conv_bn(channels, width, 1)]
        channels = width
    return nn.Sequential(*layers, *_head(channels))


def mobilenet_v2() -> nn.Module:
    """Sandler et al. 2018, table 2."""
    layers: list[nn.Module] = [conv_bn(3, 32, 3, 2, act=nn.ReLU6)]
    channels = 32
    for expansion, width, count, first_stride in _MOBILENET_V2:
        for number in range(count):
            layers.append(_inverted(channels, width, expansion, 1 if number else first_stride))
            channels = width
    return nn.Sequential(*layers, conv_bn(channels, 1280, 1, act=nn.ReLU6), *_head(1280, nn.Dropout(0.2)))


def _inverted(inputs: int, width: int, expansion: int, stride: int) -> nn.Module:
    middle = inputs * expansion
    widen = [] if expansion == 1 else [conv_bn(inputs, middle, 1, act=nn.ReLU6)]
    depthwise = conv_bn(middle, middle, 3, stride, groups=middle, act=nn.ReLU6)
    body = nn.Sequential(*widen, depthwise, conv_bn(middle, width, 1, act=None))
    return Residual(body, nn.Identity(), nn.Identity()) if stride == 1 and inputs == width else body


def _head(channels: int, *before: nn.Module) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), *before, nn.Linear(channels, 1000)


NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "VGG16": lambda: vgg(_VGG16),
    "VGG19": lambda: vgg(_VGG19),
    "ResNet-18": lambda: resnet((2, 2, 2, 2)),
    "ResNet-34": lambda: resnet((3, 4, 6, 3)),
    "ResNet-50": lambda: resnet((3, 4, 6, 3), bottleneck=True),
    "ResNet-101": lambda: resnet((3, 4, 23, 3), bottleneck=True),
    "MobileNet-v1": mobilenet_v1,
    "MobileNet-v2": mobilenet_v2,
}


def build(name: str, seed: int = 0) -> nn.Module:
    """The network called `name` with random weights, in inference mode."""
    torch.manual_seed(seed)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                if tensor is not None:
                    tensor.uniform_(0.5, 1.5)
    return network.eval()


def export(network: nn.Module, size: int, path: Path) -> None:
    """Write the network to `path` for one picture of size x size, BatchNorm left as it is (opset 17)."""
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript and folds BatchNorm; this one is deprecated and does as told.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, size, size),),
            str(path),
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            opset_version=17,
            input_names=["x"],
            output_names=["logits"],
        )
