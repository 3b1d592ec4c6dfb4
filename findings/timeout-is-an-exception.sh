#!/usr/bin/env bash
# Guess:   @timeout ends the step when its time is over, whatever the step does.
# Really:  it raises an ordinary exception in the step, once, by an alarm signal. A loop that catches Exception
#          to try again catches that one as well, continues for as long as it likes, and the task succeeds.
# Version: metaflow 2.19.39
# Source:  metaflow/plugins/timeout_decorator.py, TimeoutDecorator._sigalrm_handler.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export METAFLOW_HOME="$work/home" METAFLOW_USER=tester
export METAFLOW_DEFAULT_DATASTORE=local METAFLOW_DEFAULT_METADATA=local
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check metaflow==2.19.39
venv/bin/pip freeze | grep -E "^(metaflow)=="

cat >flow.py <<'EOF'
import time

from metaflow import FlowSpec, step, timeout


class TimeoutFlow(FlowSpec):
    @timeout(seconds=1)
    @step
    def start(self):
        began = time.monotonic()
        for attempt in range(3):
            try:
                time.sleep(2)
            except Exception as error:
                print("SEEN swallowed", type(error).__name__)
        print("SEEN ran past its limit:", time.monotonic() - began > 3)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TimeoutFlow()
EOF
cat >expected <<'EOF'
swallowed TimeoutException
ran past its limit: True
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
