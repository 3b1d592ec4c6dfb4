"""What is shown of long transfers."""

from __future__ import annotations

from flownb.session.transfers import TransferLine


def test_one_line_for_all_transfers() -> None:
    """Transfers add up to one bar, which is gone when the last one has ended or failed."""
    shown: list[str] = []
    line = TransferLine(shown.append)
    line("upload", "a", 250_000_000, 1_000_000_000)
    line("download", "b", 500_000_000, 500_000_000 + 1)
    line("upload", "a", 1_000_000_000, 1_000_000_000)
    line("download", "b", -1, 500_000_001)
    assert shown == [
        "█████░░░░░░░░░░░░░░░ 250.0 MB of 1.0 GB to S3",
        "█████████░░░░░░░░░░░ 750.0 MB of 1.5 GB to and from S3",
        "███████████████████░ 500.0 MB of 500.0 MB from S3",
        "",
    ]
