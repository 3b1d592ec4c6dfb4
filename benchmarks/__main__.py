"""Run all benchmarks and print one table: ``make bench``, or ``python -m benchmarks NAME …`` for some of them."""

from __future__ import annotations

import importlib
import sys

from benchmarks.table import Row, print_table

NAMES = (
    "load_ext",
    "check",
    "long_flow",
    "spin",
    "persist",
    "unchanged",
    "index",
    "s3",
    "dag_paint",
    "run",
    "foreach",
    "memory",
    "isolate",
)


def main(names: list[str]) -> int:
    """Run the named benchmarks (all when none is named) and print their rows."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"There is no benchmark {unknown[0]}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in names or NAMES:
        print(f"… {name}", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").measure()
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
