#!/usr/bin/env bash
# Guess:   %time measures the statement behind it, and the statement does what it does without %time.
# Really:  %time splits its line into words and joins them with one blank each, also inside of a text in quotes:
#          `%time print("a  b")` prints `a b`. A text that is a word of its own (`x = "a  b"`) keeps its blanks.
#          The cell magic %%time changes nothing.
# Version: ipython 9.18.1
# Source:  IPython/core/magics/execution.py, ExecutionMagics.time: `line = " ".join(extra)`, since the magic has
#          the option --no-raise-error.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export IPYTHONDIR="$work/ipython"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check ipython==9.18.1
venv/bin/pip freeze | grep -E "^ipython=="

cat >lines.py <<'EOF'
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
code = 'size = len("a  b")'
for cell in (code, f"%time {code}", f"%%time\n{code}", '%time text = "a  b"'):
    assert shell.run_cell(cell).success
    print("#", cell.replace("\n", " ⏎ "), "->", shell.user_ns["size"])
    if cell == f"%time {code}":
        assert shell.user_ns["size"] == 3
    else:
        assert shell.user_ns["size"] == 4
assert shell.user_ns["text"] == "a  b"
EOF

venv/bin/python lines.py 2>log | grep "^#"
