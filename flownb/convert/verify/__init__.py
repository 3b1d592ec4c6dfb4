"""The proof of `flownb convert`: a plain notebook and the proposed flow, executed and compared value by value.

`proof.py` leads it. The plain notebook is executed by a Jupyter kernel (`plain.py`; inside of the kernel: `kernel.py`,
`snapshots.py`), the flow by worker processes that a process of its own starts (`flow.py`). Both work in a copy of the
notebook's folder (`folder.py`). That process also compares the values, with `lines.py` for what was printed.
`chance.py` and `taint.py` know what no run can verify, and `repair.py` makes constraints for the next proposal
from the differences.
"""
