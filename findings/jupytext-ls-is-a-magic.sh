#!/usr/bin/env bash
# Guess:   jupytext comments out magics, which begin with % or !, and leaves Python as it is.
# Really:  a line that begins with the name of a shell command IPython knows is taken for a magic without %,
#          even where the notebook assigned that name. The last line of such a cell is a comment in the script.
# Version: jupytext 1.19.6
# Source:  jupytext/magics.py, is_magic (_PYTHON_MAGIC_CMD).
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check jupytext==1.19.6
venv/bin/pip freeze | grep -E "^(jupytext)=="

cat >make.py <<'EOF'
import nbformat

v4 = nbformat.v4
cells = [v4.new_code_cell("ls = [1, 2]\nls"), v4.new_code_cell("cat + 1"), v4.new_code_cell("other")]
nbformat.write(v4.new_notebook(cells=cells), "in.ipynb")
EOF
cat >expected <<'EOF'
# %%
ls = [1, 2]
# ls

# %%
# cat + 1

# %%
other
EOF

venv/bin/python make.py
venv/bin/jupytext --to py:percent --opt notebook_metadata_filter=-all in.ipynb -o out.py >log
sed -n '/^# %%/,$p' out.py | tee seen
diff expected seen
