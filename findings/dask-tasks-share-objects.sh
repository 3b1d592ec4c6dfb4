#!/usr/bin/env bash
# Guess:   every task of a dask graph gets a value of its own, as the steps of a flow do, which are processes.
# Really:  in the default scheduler for delayed a result is one object that all its readers share. Two siblings
#          that append to it both see both items, and so does the list that the caller passed in.
# Version: dask 2026.8.0
# Source:  dask/threaded.py, get (tasks run in threads of one process); Dask documentation, Delayed Best
#          Practices.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check dask==2026.8.0
venv/bin/pip freeze | grep -E "^(dask)=="

cat >check.py <<'EOF'
import dask
from dask import delayed


@delayed
def rows():
    return [1]


@delayed
def appended(values):
    values.append(9)
    return values


base = rows()
results = dask.compute(base, appended(base), appended(base))
print("base and its two siblings:", results)
assert results == ([1, 9, 9],) * 3

mine = [1]
appended(delayed(mine, traverse=False)).compute()
print("the caller's list:", mine)
assert mine == [1, 9]
EOF

venv/bin/python check.py
