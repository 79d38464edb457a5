"""Training: a converted network learns to answer as the original does, or as labels say.

`stage` runs a recipe of `methods`, each of which hands one or more objectives to the one `loop`.
"""

from convprof.tuning.keeping import Kept
from convprof.tuning.settings import Settings
from convprof.tuning.stage import Tuned, check, tune

__all__ = ["Kept", "Settings", "Tuned", "check", "tune"]
