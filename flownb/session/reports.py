"""The reports that a session showed: ``%flow report`` shows one again with its details.

Holds one report for each step, and which cells' texts were executed before.
"""

from __future__ import annotations

from flownb.errors import NotFound, nearest
from flownb.session.report import StepReport

__all__ = ["Reports"]


class Reports:
    """The last report of each step."""

    def __init__(self) -> None:
        self._reports: dict[str, StepReport] = {}
        self._texts: set[str] = set()

    def keep(self, report: StepReport) -> None:
        """Keep a report in place of the one before it."""
        self._reports.pop(report.step, None)
        self._reports[report.step] = report

    def is_new_text(self, source: str) -> bool:
        """Whether a cell's text is executed for the first time; asked once for each execution."""
        is_new = source not in self._texts
        self._texts.add(source)
        return is_new

    def find(self, step: str | None = None) -> StepReport:
        """The report of a step, or the newest.

        Raises
        ------
        NotFound
            If the step was not executed or spun in this kernel.
        """
        if step is None and self._reports:
            return next(reversed(self._reports.values()))
        if step not in self._reports:
            known = ", ".join(self._reports) or "none yet"
            raise NotFound(
                f"There is no report of `{step}`.{nearest(step, self._reports)}" if step else "There is no report yet.",
                f"The steps that were executed or spun in this kernel: {known}.",
                "Execute the step's cell, or spin it.",
            )
        return self._reports[step]
