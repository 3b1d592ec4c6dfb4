"""The result of a proof: one row for each captured value, for the printed lines of each step, and for each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flownb.convert.verify.plain import PlainFailure

__all__ = ["FILE", "NOT_COMPARABLE", "PRINTED", "Row", "Verdict", "Verification", "table"]

Verdict = Literal["equal", "differs", "unverifiable", "failed"]
# The name in the row of what a step printed.
PRINTED = "printed lines"
# How the detail of a value begins whose class cannot compare it.
NOT_COMPARABLE = "it cannot be compared"
# The type in the row of a file that was written.
FILE = "file"
HEADINGS = ("step", "value", "type", "result", "")


@dataclass(frozen=True)
class Row:
    """One value of one step, the lines it printed, or a file.

    Attributes
    ----------
    step : str
        Empty for a file.
    name : str
        The artifact's name, `PRINTED`, or a file's path in the notebook's folder.
    type : str
        Such as ``"pandas.DataFrame"``; empty for printed lines, `FILE` for files.
    shape : str
        Such as ``"150 × 4"`` or ``"3 lines"``.
    verdict : {"equal", "differs", "unverifiable", "failed"}
        `unverifiable`: two runs of the plain notebook differ, too, or may agree by luck. `failed`: the value cannot be
        stored, or the step did not end well.
    detail : str
        How it differs, why it cannot be verified or what failed.
    """

    step: str
    name: str
    type: str
    shape: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """What was executed and compared.

    Attributes
    ----------
    rows : tuple of Row
        In the order of the steps.
    plain_failure : PlainFailure or None
        Why nothing could be compared: the plain notebook fails.
    flow_failure : str
        What ended the run of the flow, with its step; empty if it ended well.
    plain_runs : int
        How often the plain notebook was executed.
    seconds : float
    notes : tuple of str
        What a reader should know of how it was executed.
    """

    rows: tuple[Row, ...] = ()
    plain_failure: PlainFailure | None = None
    flow_failure: str = ""
    plain_runs: int = 1
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether nothing differs and nothing failed. Values that no run could verify are in `unverifiable`."""
        return (
            self.plain_failure is None
            and not self.flow_failure
            and all(row.verdict in ("equal", "unverifiable") for row in self.rows)
        )

    @property
    def unverifiable(self) -> tuple[Row, ...]:
        """The rows of values that differ from run to run of the plain notebook."""
        return tuple(row for row in self.rows if row.verdict == "unverifiable")

    @property
    def summary(self) -> str:
        """One sentence with the result."""
        if (failure := self.plain_failure) is not None:
            where = f"cell {failure.cell}" + f", line {failure.line}" * bool(failure.line)
            return f"Nothing could be compared, because the notebook fails in {where}: {failure.error.rstrip('.')}."
        counts = Counter(row.verdict for row in self.rows)
        parts = [f"{counts[one]} {text}" for one, text in _COUNTED.items() if counts[one]] or ["nothing to compare"]
        head = "Verified" if self.verified else "Not verified"
        end = f" The flow failed: {self.flow_failure.rstrip('.')}." if self.flow_failure else ""
        return f"{head}: {', '.join(parts)}.{end}"

    def text(self) -> str:
        """The table, the notes and the summary, ready to print."""
        lines = [*(table(self.rows).split("\n") if self.rows else ()), *(f"note: {note}" for note in self.notes)]
        return "\n".join([*lines, self.summary])

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "verified": self.verified,
            "summary": self.summary,
            "rows": [asdict(row) for row in self.rows],
            "plain_failure": None if self.plain_failure is None else asdict(self.plain_failure),
            "flow_failure": self.flow_failure,
            "plain_runs": self.plain_runs,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


_COUNTED: dict[Verdict, str] = {
    "equal": "equal",
    "differs": "different",
    "failed": "failed",
    "unverifiable": "that no run can verify",
}


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text.

    Examples
    --------
    >>> print(table([Row("load", "df", "pandas.DataFrame", "3 × 2", "equal")]))
    step  value  type                    result
    load  df     pandas.DataFrame 3 × 2  equal
    """
    texts = [
        HEADINGS,
        *((row.step, row.name, f"{row.type} {row.shape}".strip(), row.verdict, row.detail) for row in rows),
    ]
    widths = [max(len(line[column]) for line in texts) for column in range(len(HEADINGS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in texts]
    return "\n".join(line.rstrip() for line in lines)
