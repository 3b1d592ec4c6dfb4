#!/usr/bin/env bash
# Guess:   a comment of a script stays a comment when jupytext opens the script as a notebook.
# Really:  a comment whose first word is also a command of IPython's automagic (rm, cat, copy, mkdir, echo …) becomes a
#          line of code: `# rm the outliers` is the shell command `rm the outliers` in the notebook. `# remove the
#          outliers` stays a comment. As a script the file does nothing of the kind.
# Version: jupytext 1.19.6
# Source:  jupytext/magics.py, is_magic, _PYTHON_MAGIC_CMD and uncomment_magic.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check jupytext==1.19.6
venv/bin/pip freeze | grep -E "^(jupytext)=="

cat >clean.py <<'EOF'
# %%
# remove the outliers
rows = [1, 2, 300]
# rm the outliers
rows = [row for row in rows if row < 100]
# copy the rest
kept = rows[:]
EOF
cat >expected <<'EOF'
# remove the outliers
rows = [1, 2, 300]
rm the outliers
rows = [row for row in rows if row < 100]
copy the rest
kept = rows[:]
EOF

venv/bin/python clean.py
venv/bin/jupytext --to ipynb clean.py -o clean.ipynb >log
venv/bin/python -c 'import json; print("".join(json.load(open("clean.ipynb"))["cells"][0]["source"]))' | tee seen
diff expected seen
