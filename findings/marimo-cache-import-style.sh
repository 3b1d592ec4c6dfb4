#!/usr/bin/env bash
# Guess:   marimo's persistent_cache, which is keyed by the code it runs, notices an edited helper module always
#          or never, however the helper is imported.
# Really:  the way of the import decides. After `from helper import scale` an edit of scale computes again; after
#          `import helper` the same edit of helper.scale is not seen, and the old result is given, by the block and
#          by the decorator alike. A helper that scale itself calls is not seen either way.
# Version: marimo 0.25.2
# Source:  marimo/_save/hash.py, BlockHasher (functions are hashed by their code, modules by name or version).
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export XDG_CONFIG_HOME="$work/config" XDG_STATE_HOME="$work/state" XDG_CACHE_HOME="$work/cache"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check marimo==0.25.2
venv/bin/pip freeze | grep -E "^marimo=="

notebook() {
    # Write a notebook: its file, its import, the name which that defines, the call.
    cat >"$1" <<PY
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    $2
    return mo, $3


@app.cell
def _(mo, $3):
    with mo.persistent_cache("${1%.py}_block"):
        in_block = $4

    @mo.persistent_cache
    def function(x):
        return ${4/10/x}

    print(in_block, function(10))
    return


if __name__ == "__main__":
    app.run()
PY
}
notebook by_module.py "import helper" helper "helper.scale(10)"
notebook by_name.py "from helper import scale" scale "scale(10)"

helper() {
    # Write the helper module: the factor in scale, and the one in the function that scale calls.
    printf 'def inner(x):\n    return x * %s\n\n\ndef scale(x):\n    return inner(x) * %s\n' "$2" "$1" >helper.py
}
run() {
    echo "$1: import helper: $(venv/bin/python by_module.py), from helper import scale: $(venv/bin/python by_name.py)"
}
{
    helper 1 1 && run "first run"
    helper 30 1 && run "scale edited"
    helper 30 500 && run "what scale calls edited"
} | tee output

diff output - <<'EOF'
first run: import helper: 10 10, from helper import scale: 10 10
scale edited: import helper: 10 10, from helper import scale: 300 300
what scale calls edited: import helper: 10 10, from helper import scale: 300 300
EOF
