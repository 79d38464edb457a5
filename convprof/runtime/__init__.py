"""The only room that imports onnxruntime: open models, where their time goes, int8, and the machine they run on."""

from convprof.runtime.attribution import node_layers as node_layers
from convprof.runtime.int8 import quantize as quantize
from convprof.runtime.machine import core_quota as core_quota
from convprof.runtime.machine import environment as environment
from convprof.runtime.machine import own_load as own_load
from convprof.runtime.machine import peak_memory as peak_memory
from convprof.runtime.machine import this_machine as this_machine
from convprof.runtime.options import RunOptions as RunOptions
from convprof.runtime.probe import Effort as Effort
from convprof.runtime.probe import available_cores as available_cores
from convprof.runtime.probe import fast_mean as fast_mean
from convprof.runtime.probing import PROBE_SCRIPT as PROBE_SCRIPT
from convprof.runtime.probing import measure_probes as measure_probes
from convprof.runtime.profiles import layer_times as layer_times
from convprof.runtime.profiles import profile_nodes as profile_nodes
from convprof.runtime.sessions import Feeds as Feeds
from convprof.runtime.sessions import Session as Session
from convprof.runtime.sessions import open_session as open_session
