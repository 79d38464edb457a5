"""How fast models are, measured interleaved: in each round every model once, in random order, in the same process.

What slows the machine down for a while then slows all models down, and the ratio of their times within a round stays.
What differs from process to process (where memory lies, how the kernels were set up) does not show within one; several
processes show it. `rounds` reads the clock, `processes` starts others that do, `assembling` makes the record.
"""

from convprof.benchmarking.assembling import compare as compare
from convprof.benchmarking.assembling import throughput as throughput
from convprof.benchmarking.measuring import measure as measure
