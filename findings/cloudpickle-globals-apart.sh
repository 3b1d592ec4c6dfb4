#!/usr/bin/env bash
# Guess:   two functions that use one global still share it after cloudpickle sent them to another process.
# Really:  each pickle carries a copy of the globals. In one pickle the functions share them; from two pickles
#          each has its own, so a counter that one raises stays at its old value for the other.
# Version: cloudpickle 3.1.3
# Source:  cloudpickle/cloudpickle.py, Pickler._function_getnewargs (globals_ref lives as long as one pickler).
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check cloudpickle==3.1.3
venv/bin/pip freeze | grep -E "^(cloudpickle)=="

cat >write.py <<'EOF'
import cloudpickle

count = 0


def add():
    global count
    count += 1


def read():
    return count


for name, value in {"add": add, "read": read, "both": (add, read)}.items():
    with open(name, "wb") as file:
        cloudpickle.dump(value, file)
EOF
cat >read.py <<'EOF'
import pickle


def load(name):
    with open(name, "rb") as file:
        return pickle.load(file)


add, read = load("add"), load("read")
add()
print("SEEN two pickles:", read())
add, read = load("both")
add()
print("SEEN one pickle:", read())
EOF
cat >expected <<'EOF'
two pickles: 0
one pickle: 1
EOF

venv/bin/python write.py
venv/bin/python read.py | sed -n 's/^SEEN //p' | tee seen
diff expected seen
