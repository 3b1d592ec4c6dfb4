#!/usr/bin/env bash
# Guess:   a class that has not changed gives the same cloudpickle bytes in the next session, as a function
#          does.
# Really:  every class of __main__ gets a random id when it is first pickled in a process, and the id is part of
#          the bytes. A function without a class in sight gives the same bytes each time; what refers to such a
#          class does not.
# Version: cloudpickle 3.1.3
# Source:  cloudpickle/cloudpickle.py, _get_or_create_tracker_id.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check cloudpickle==3.1.3
venv/bin/pip freeze | grep -E "^(cloudpickle)=="

cat >write.py <<'EOF'
import hashlib

import cloudpickle


class Point:
    pass


def double(number):
    return 2 * number


def make():
    return Point()


for value in [double, Point, make]:
    print(value.__name__, hashlib.sha256(cloudpickle.dumps(value)).hexdigest()[:12])
EOF

export PYTHONHASHSEED=0
venv/bin/python write.py | tee first
venv/bin/python write.py | tee second
same=$(comm -12 <(sort first) <(sort second) | cut -d' ' -f1)
echo "the same in both processes: $same"
test "$same" = double
