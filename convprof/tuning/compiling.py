"""A place for what torch's compiler writes: a folder of its own, gone when the work is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


@contextmanager
def scratch() -> Iterator[None]:
    """Torch's own place is a folder by a known name, which all programs of a user share and nobody clears."""
    before = os.environ.get(_VARIABLE)
    with TemporaryDirectory(prefix="convprof-compiled-", ignore_cleanup_errors=True) as folder:
        os.environ[_VARIABLE] = folder  # read when the compiler is imported, too
        try:
            from torch._inductor import config
            from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

            # Headers that are compiled in advance would still go to torch's own place.
            with temporary_cache_dir(folder), config.patch(cpp_cache_precompile_headers=False):
                yield
        finally:
            if before is None:
                os.environ.pop(_VARIABLE, None)
            else:
                os.environ[_VARIABLE] = before
