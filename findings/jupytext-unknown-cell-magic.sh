#!/usr/bin/env bash
# Guess:   all cell magics are treated alike: a cell under %%anything is text for that magic, and a comment in
#          the script.
# Really:  a cell under %%bash is commented out whole. Under a magic that jupytext does not know, as those of
#          extensions, only the first line becomes a comment and the rest is ordinary code of the script, run
#          without the magic. Both come back unchanged as a notebook.
# Version: jupytext 1.19.6
# Source:  jupytext/languages.py, cell_language; jupytext/magics.py, comment_magic.
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
cells = [v4.new_code_cell("%%bash\necho hello"), v4.new_code_cell("%%elsewhere\nprint('hello')")]
nbformat.write(v4.new_notebook(cells=cells), "in.ipynb")
EOF
cat >expected <<'EOF'
# %% language="bash"
# echo hello

# %%
# %%elsewhere
print('hello')
EOF

venv/bin/python make.py
venv/bin/jupytext --to py:percent in.ipynb -o out.py >log
venv/bin/jupytext --to ipynb out.py -o back.ipynb >log
sed -n '/^# %%/,$p' out.py | tee seen
diff expected seen
test "$(venv/bin/python out.py)" = hello
venv/bin/python - <<'EOF'
import nbformat

first, back = (nbformat.read(name, as_version=4).cells for name in ["in.ipynb", "back.ipynb"])
assert [cell.source for cell in first] == [cell.source for cell in back]
print("running out.py prints hello; as a notebook both cells come back")
EOF
