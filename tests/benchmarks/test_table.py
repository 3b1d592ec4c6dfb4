"""Rows as text and as Markdown."""

from __future__ import annotations

import pytest

from benchmarks.table import Row, Unit, markdown, print_table, quantity

ROWS = [
    Row("a step", 0.002, "metaflow", 0.5, "<= 5 ms", True, limit="plain cell", at_best=0.001),
    Row("down", 1e9, "boto3", 5e8, ">= 2", False, "GB/s", "memcpy", 4e9),
    Row("faults", 640, "-", 0, "", True, "count"),
    Row("over it", -0.001, "a | b", 0.001, "", True),
]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0000271, "ms", "0.027 ms"),
        (0.0271, "ms", "27.10 ms"),
        (1.2345, "ms", "1,234 ms"),
        (-0.002, "ms", "-2.00 ms"),
        (2_500_000, "MB", "2.5 MB"),
        (2_147_483_648, "MB", "2,147 MB"),
        (1870.4, "count", "1,870"),
        (1.08e9, "GB/s", "1.08 GB/s"),
    ],
)
def test_quantities(value: float, unit: Unit, text: str) -> None:
    """A value is written in its unit with as many digits as say something."""
    assert quantity(value, unit) == text


def test_a_table_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    """More than 1 is better than the peer for times and rates alike, and a difference below zero has no ratio."""
    print_table(ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "              ours  peer                 times better  machine's limit             × limit  goal",
        "a step     2.00 ms  metaflow     500 ms          250×  plain cell         1.00 ms    2.00×  <= 5 ms  met",
        "down     1.00 GB/s  boto3     0.50 GB/s         2.00×  memcpy           4.00 GB/s    4.00×  >= 2     MISSED",
        "faults         640  –                               –",
        "over it   -1.00 ms  a | b       1.00 ms             –",
    ]


def test_a_table_in_markdown() -> None:
    """Peer and limit are in one cell with their name, and a bar inside a text does not end its cell."""
    assert markdown(ROWS).splitlines() == [
        "|  | ours | peer | times better | machine's limit | × limit | goal |  |",
        "|---|--:|---|--:|---|--:|---|---|",
        "| a step | 2.00 ms | metaflow: 500 ms | 250× | plain cell: 1.00 ms | 2.00× | <= 5 ms | met |",
        "| down | 1.00 GB/s | boto3: 0.50 GB/s | 2.00× | memcpy: 4.00 GB/s | 4.00× | >= 2 | MISSED |",
        "| faults | 640 | – | – | – |  |  |  |",
        "| over it | -1.00 ms | a \\| b: 1.00 ms | – | – |  |  |  |",
    ]
