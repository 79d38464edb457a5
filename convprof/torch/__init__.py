"""ONNX graphs as torch modules: `load` one, train it with any loop, `save` the weights into the same graph.

`separate` replaces the convs of a torch model of one's own.

With `convprof.tuning` the only room that imports torch.
"""

from importlib.util import find_spec

from convprof.errors import MissingError

if find_spec("torch") is None:
    raise MissingError("convprof.torch", "torch is not installed", "pip install 'convprof[tune]'")

from convprof.torch.files import from_model, load, save
from convprof.torch.module import Module
from convprof.torch.separating import Separation, separate

__all__ = ["Module", "Separation", "from_model", "load", "save", "separate"]
