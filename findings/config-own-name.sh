#!/usr/bin/env bash
# Guess:   in a class body cfg.name is the value of the key name, like cfg.other for the key other.
# Really:  a Config is a Parameter and has the attribute name, which wins: cfg.name is the name given to
#          Config(). cfg['name'] and, inside a step, self.cfg.name are the value of the key.
# Version: metaflow 2.19.39
# Source:  metaflow/user_configs/config_parameters.py, Config.__getattr__ (asked only for names that Parameter
#          lacks) and ConfigValue.__getattr__.
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
from metaflow import Config, FlowSpec, Parameter, step


class ConfigNameFlow(FlowSpec):
    cfg = Config("settings", default_value='{"name": "Ada", "other": "Bob"}')
    by_attribute = Parameter("by-attribute", default=cfg.name)
    by_key = Parameter("by-key", default=cfg["name"])
    other = Parameter("other", default=cfg.other)

    @step
    def start(self):
        print("SEEN other:", self.other)
        print("SEEN by key:", self.by_key)
        print("SEEN by attribute:", self.by_attribute)
        print("SEEN in the step:", self.cfg.name)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ConfigNameFlow()
EOF
cat >expected <<'EOF'
other: Bob
by key: Ada
by attribute: settings
in the step: Ada
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
