"""The only room that knows ONNX: opening, measuring, cutting, rewriting and saving graphs."""

from convprof.graph.biases import shift_biases
from convprof.graph.convs import ConvNode, find_convs
from convprof.graph.describing import describe
from convprof.graph.emission import replace_conv, standalone
from convprof.graph.folding import fold_batch_norm
from convprof.graph.joins import Target, target_of
from convprof.graph.loading import read
from convprof.graph.model import Model, Program
from convprof.graph.naming import Names
from convprof.graph.owners import layer_name, layer_owners
from convprof.graph.pool import Pool, he_like, save_disguised
from convprof.graph.precision import is_quantized, stored_bytes
from convprof.graph.reach import convs_behind
from convprof.graph.refilling import filled, hollow, with_weights
from convprof.graph.saving import save, save_program, serialized
from convprof.graph.segments import Cutter, Segment
from convprof.graph.shapes import bind_inputs, declared_inputs, infer, needs_probe, shape_probe
from convprof.graph.weights import weights_digest
from convprof.graph.work import NodeWork, Work, conv_weights, conv_work, measure_work, node_work

__all__ = [
    "ConvNode",
    "Cutter",
    "Model",
    "Names",
    "NodeWork",
    "Pool",
    "Program",
    "Segment",
    "Target",
    "Work",
    "bind_inputs",
    "conv_weights",
    "conv_work",
    "convs_behind",
    "declared_inputs",
    "describe",
    "filled",
    "find_convs",
    "fold_batch_norm",
    "he_like",
    "hollow",
    "infer",
    "is_quantized",
    "layer_name",
    "layer_owners",
    "measure_work",
    "needs_probe",
    "node_work",
    "read",
    "replace_conv",
    "save",
    "save_disguised",
    "save_program",
    "serialized",
    "shape_probe",
    "shift_biases",
    "standalone",
    "stored_bytes",
    "target_of",
    "weights_digest",
    "with_weights",
]
