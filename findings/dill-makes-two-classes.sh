#!/usr/bin/env bash
# Guess:   two instances of one class are instances of one class wherever dill loads them.
# Really:  dill stores the class of __main__ inside each pickle, and each load makes it again: the two classes
#          differ and isinstance fails. cloudpickle recognizes the class by an id and makes it once.
# Version: dill 0.4.1, cloudpickle 3.1.3
# Source:  dill/_dill.py, save_type and _create_type; for comparison cloudpickle/cloudpickle.py,
#          _lookup_class_or_track.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check dill==0.4.1 cloudpickle==3.1.3
venv/bin/pip freeze | grep -E "^(dill|cloudpickle)=="

cat >write.py <<'EOF'
import cloudpickle
import dill


class Point:
    pass


for module in [dill, cloudpickle]:
    for number in [1, 2]:
        with open(f"{module.__name__}{number}", "wb") as file:
            module.dump(Point(), file)
EOF
cat >read.py <<'EOF'
import cloudpickle
import dill

for module in [dill, cloudpickle]:
    points = []
    for number in [1, 2]:
        with open(f"{module.__name__}{number}", "rb") as file:
            points.append(module.load(file))
    print("SEEN", module.__name__, "one class:", type(points[0]) is type(points[1]))
EOF
cat >expected <<'EOF'
dill one class: False
cloudpickle one class: True
EOF

venv/bin/python write.py
venv/bin/python read.py | sed -n 's/^SEEN //p' | tee seen
diff expected seen
