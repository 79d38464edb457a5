"""The errors that a user can cause or cure: each says what, why and what to do.

The command line prints them as one line, `convprof: error: WHAT: WHY (WHAT TO DO)`, and exits with 2.
"""

from __future__ import annotations


class ConvprofError(Exception):
    """A refusal with its reason.

    `what` names the input (a file, an option, a layer), `why` says what is wrong with it and `remedy` what the
    user can do about it.
    """

    def __init__(self, what: str, why: str, remedy: str = "") -> None:
        super().__init__(what, why, remedy)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        tail = f" ({self.remedy})" if self.remedy else ""
        return one_line(f"{self.what}: {self.why}{tail}")


class ModelError(ConvprofError):
    """A model file that cannot be read, understood or run."""


class DataError(ConvprofError):
    """Data that cannot be read or that does not fit the model."""


class PlanError(ConvprofError):
    """A plan, a budget or a layer name that cannot be met."""


class UsageError(ConvprofError):
    """An option whose value cannot be understood."""


class MissingError(ConvprofError, ImportError):
    """A library that is not installed, because most users do not need it."""


class OutputError(ConvprofError):
    """A place that cannot be written."""


def one_line(text: str) -> str:
    """Whatever a file put into `text`, print one line without control characters."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
