#!/usr/bin/env bash
# Guess:   a step with @retry that fails is tried again after minutes_between_retries, which defaults to two
#          minutes.
# Really:  on the local runtime the next attempt starts at once. Only the remote and scheduled back ends read
#          the value, even when the flow sets it.
# Version: metaflow 2.19.39
# Source:  metaflow/plugins/retry_decorator.py, RetryDecorator; metaflow/runtime.py,
#          NativeRuntime._retry_worker. The value is read in plugins/aws/batch/batch_cli.py and
#          plugins/argo/argo_workflows.py.
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

from metaflow import FlowSpec, current, retry, step


class RetryFlow(FlowSpec):
    @retry(times=2, minutes_between_retries=10)
    @step
    def start(self):
        with open("attempts", "a") as times:
            times.write(f"{time.time()}\n")
        if current.retry_count < 2:
            raise ValueError("not yet")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    RetryFlow()
EOF

venv/bin/python flow.py run >log 2>&1
venv/bin/python - <<'EOF'
attempts = [float(line) for line in open("attempts")]
print("attempts:", len(attempts), "- seconds from first to last:", round(attempts[-1] - attempts[0], 1))
assert len(attempts) == 3
assert attempts[-1] - attempts[0] < 10 * 60
EOF
