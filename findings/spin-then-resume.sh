#!/usr/bin/env bash
# Guess:   a spin is an experiment beside the runs; a plain resume afterwards still continues the run that
#          failed.
# Really:  spin writes its own id as the latest run of the flow, and resume without --origin-run-id looks for a
#          run of that id, which does not exist. With the id of the failed run resume works.
# Version: metaflow 2.19.39
# Source:  metaflow/cli_components/run_cmds.py, spin (write_latest_run_id) and resume (get_latest_run_id).
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
import os

from metaflow import FlowSpec, step


class SpinFlow(FlowSpec):
    @step
    def start(self):
        self.rows = 1
        self.next(self.train)

    @step
    def train(self):
        self.model = self.rows + 1
        if os.environ.get("STOP"):
            raise RuntimeError("stop here")
        self.next(self.report)

    @step
    def report(self):
        print("SEEN report", self.model)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SpinFlow()
EOF

STOP=1 venv/bin/python flow.py run >log 2>&1 || true

failed=$(cat .metaflow/SpinFlow/latest_run)
venv/bin/python flow.py spin train >log 2>&1
echo "latest run before the spin: $failed, after: $(cat .metaflow/SpinFlow/latest_run)"
if venv/bin/python flow.py resume >log 2>&1; then echo "the plain resume worked"; exit 1; fi
grep -v '^ *$' log | tail -n 2
grep -q "Resume could not find run id" log
venv/bin/python flow.py resume --origin-run-id "$failed" >log 2>&1
sed -n 's/^.*\] SEEN /with --origin-run-id: /p' log
grep -q "Done!" log
