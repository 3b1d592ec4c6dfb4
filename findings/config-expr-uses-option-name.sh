#!/usr/bin/env bash
# Guess:   config_expr('cfg.size') refers to the attribute cfg of the flow class, as self.cfg does in a step.
# Really:  the expression is evaluated with the names given to Config() on the command line. With cfg =
#          Config('settings'), config_expr('settings.size') works and config_expr('cfg.size') is an undefined
#          name.
# Version: metaflow 2.19.39
# Source:  metaflow/user_configs/config_parameters.py, DelayEvaluator.__call__.
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
from metaflow import Config, FlowSpec, Parameter, config_expr, step


class ExprFlow(FlowSpec):
    cfg = Config("settings", default_value='{"size": 3}')
    size = Parameter("size", default=config_expr("settings.size"))

    @step
    def start(self):
        print("SEEN", self.size, self.cfg.size)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ExprFlow()
EOF
sed 's/config_expr("settings.size")/config_expr("cfg.size")/' flow.py >attribute.py

venv/bin/python flow.py run >log 2>&1
sed -n 's/^.*\] SEEN /config_expr("settings.size") and self.cfg.size: /p' log
grep -q "SEEN 3 3" log
if venv/bin/python attribute.py run >log 2>&1; then echo "the attribute's name was accepted"; exit 1; fi
grep -v '^ *$' log | tail -n 1
grep -q "name 'cfg' is not defined" log
