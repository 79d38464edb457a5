"""ONNX graphs as torch modules: `load` one, train it with any loop, `save` the weights into the same graph.

With `convprof.tuning` the only room that imports torch.
"""

from importlib.util import find_spec

from convprof.errors import MissingError

if find_spec("torch") is None:
    raise MissingError("convprof.torch", "torch is not installed", "pip install 'convprof[tune]'")

from convprof.torch.files import from_model, load, save
from convprof.torch.module import Module

__all__ = ["Module", "from_model", "load", "save"]
