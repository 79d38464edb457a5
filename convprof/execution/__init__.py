"""Runs models for the stages that need values rather than times.

The only room that knows both the graph and the runtime, so that neither of the two has to know the other. `settling`
(concrete shapes), `chunking` (data in feeds of a model's size), `walk` (from value to value).
"""

from convprof.execution.chunking import affordable as affordable
from convprof.execution.chunking import around as around
from convprof.execution.chunking import at_batch as at_batch
from convprof.execution.chunking import chunks as chunks
from convprof.execution.chunking import first_feeds as first_feeds
from convprof.execution.chunking import fixed_batch as fixed_batch
from convprof.execution.chunking import picked as picked
from convprof.execution.chunking import spread as spread
from convprof.execution.chunking import usable_samples as usable_samples
from convprof.execution.settling import Loaded as Loaded
from convprof.execution.settling import Sizes as Sizes
from convprof.execution.settling import Values as Values
from convprof.execution.settling import example_feeds as example_feeds
from convprof.execution.settling import load as load
from convprof.execution.settling import settle as settle
from convprof.execution.walk import Walk as Walk
