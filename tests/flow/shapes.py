"""Flows of N steps in several shapes, as texts of cells.

Nothing of flownb is imported here, so a benchmark can use them with a build that is older than a test.
"""

from __future__ import annotations

__all__ = ["chain", "diamonds", "loops", "switches", "wide"]


def chain(steps: int) -> list[str]:
    """One step after the other, each with an artifact of its own."""
    first = "%%step s0 -> x, rows\nx, rows = 1, [1]"
    return [first, *(f"%%step s{n} -> y{n}\ny{n} = x + len(rows) + len(self.rows)" for n in range(1, steps))]


def wide(steps: int) -> list[str]:
    """One step that splits into all others but a join."""
    branches = [f"b{n}" for n in range(steps - 2)]
    cells = [f"%%step {name} --after s -> {name}_y\n{name}_y = x" for name in branches]
    join = f"%%step j --after {','.join(branches)} --join -> total\ntotal = sum(one.x for one in inputs)"
    return ["%%step s -> x\nx = 1", *cells, join]


def switches(steps: int) -> list[str]:
    """One switch of two cases after the other."""
    cells, above = ["%%step m -> kind, x\nkind, x = 'a', 1"], "m"
    for n in range(steps // 3):
        cells += [f"%%step {case}{n} --after {above} --when kind={case} -> x\nx = x + 1" for case in ("a", "b")]
        above = f"m{n}"
        cells.append(f"%%step {above} --after a{n},b{n} -> kind\nkind = 'a' if x else 'b'")
    return cells


def loops(steps: int) -> list[str]:
    """One foreach after the other, so that each join but the last starts the next."""
    cells, above = ["%%step first -> xs\nxs = [1, 2]"], "first"
    for n in range(steps // 3):
        cells.append(f"%%step f{n} --after {above} --foreach xs -> y\ny = self.input")
        cells.append(f"%%step g{n} -> z\nz = y")
        above = f"j{n}"
        cells.append(f"%%step {above} --join -> xs\nxs = [one.z for one in inputs]")
    return cells


def diamonds(steps: int) -> list[str]:
    """One split and join after the other; each join merges."""
    cells, above = ["%%step first -> x\nx = 1"], "first"
    for n in range(steps // 3):
        cells += [f"%%step {side}{n} --after {above} -> {side}\n{side} = x" for side in ("l", "r")]
        above = f"j{n}"
        cells.append(f"%%step {above} --after l{n},r{n} --join\nself.merge_artifacts(inputs)")
    return cells
