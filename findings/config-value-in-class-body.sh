#!/usr/bin/env bash
# Guess:   a class body may decide by a config value, as in `3 if cfg.fast else 30`, since configs are read
#          before the run.
# Really:  while the class body runs, cfg.fast is a placeholder that is resolved later. It is true even for
#          false and null, compares unequal to the value, and an f-string writes the placeholder's own text.
#          Only passing it on unchanged works.
# Version: metaflow 2.19.39
# Source:  metaflow/user_configs/config_parameters.py, Config.__getattr__ and DelayEvaluator.
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


class ConfigBodyFlow(FlowSpec):
    cfg = Config("cfg", default_value='{"fast": false, "size": "big"}')
    unchanged = Parameter("unchanged", default=cfg.fast)
    decided = Parameter("decided", default=3 if cfg.fast else 30)
    equal = Parameter("equal", default=cfg.size == "big")
    text = Parameter("text", default=f"{cfg.size}")

    @step
    def start(self):
        print("SEEN unchanged:", self.unchanged)
        print("SEEN 3 if fast else 30:", self.decided)
        print("SEEN size == 'big':", self.equal)
        print("SEEN f-string:", "DelayEvaluator" in self.text)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ConfigBodyFlow()
EOF
cat >expected <<'EOF'
unchanged: False
3 if fast else 30: 3
size == 'big': False
f-string: True
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
