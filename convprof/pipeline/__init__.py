"""The verbs of the command line as functions: each puts a few stages in order and returns a record.

Shapes are given as a mapping from input name to sizes (`input_shapes`) or from symbolic size to number (`dims`); data
as `convprof.data` describes it.
"""

from convprof.pipeline.converting import quantize as quantize
from convprof.pipeline.converting import rewrite as rewrite
from convprof.pipeline.looking import analyze as analyze
from convprof.pipeline.looking import bench as bench
from convprof.pipeline.looking import compare as compare
from convprof.pipeline.looking import cost as cost
from convprof.pipeline.looking import report as report
from convprof.pipeline.looking import verify as verify
from convprof.pipeline.optimizing import optimize as optimize
from convprof.pipeline.planned import plan as plan
from convprof.pipeline.planned import probe as probe
from convprof.pipeline.training import tune as tune
