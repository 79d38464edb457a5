"""The only room that imports onnxruntime: open models, where their time goes, int8, and the machine they run on."""

from convprof.runtime.int8 import quantize as quantize
from convprof.runtime.machine import available_cores as available_cores
from convprof.runtime.machine import environment as environment
from convprof.runtime.profiles import layer_times as layer_times
from convprof.runtime.profiles import profile_nodes as profile_nodes
from convprof.runtime.sessions import Feeds as Feeds
from convprof.runtime.sessions import RunOptions as RunOptions
from convprof.runtime.sessions import Session as Session
from convprof.runtime.sessions import open_session as open_session
