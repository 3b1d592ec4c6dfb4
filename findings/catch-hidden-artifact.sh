#!/usr/bin/env bash
# Guess:   @catch(var='err') adds one artifact, err; a join that excludes err can merge the rest.
# Really:  a caught exception is also stored in the artifact _catch_exception. When two branches caught one,
#          merge_artifacts stops on that name, which the flow never wrote, unless it is excluded too.
# Version: metaflow 2.19.39
# Source:  metaflow/plugins/catch_decorator.py, CatchDecorator.task_exception; metaflow/flowspec.py,
#          FlowSpec.merge_artifacts.
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
from metaflow import FlowSpec, catch, step


class CatchFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.ant, self.bee)

    @catch(var="err", print_exception=False)
    @step
    def ant(self):
        raise ValueError("no ants")
        self.next(self.join)

    @catch(var="err", print_exception=False)
    @step
    def bee(self):
        raise ValueError("no bees")
        self.next(self.join)

    @step
    def join(self, inputs):
        try:
            self.merge_artifacts(inputs, exclude=["err"])
        except Exception as error:
            print("SEEN without err:", type(error).__name__, error.artifact_names)
        self.merge_artifacts(inputs, exclude=["err", "_catch_exception"])
        print("SEEN without both: merged")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    CatchFlow()
EOF
cat >expected <<'EOF'
without err: UnhandledInMergeArtifactsException ['_catch_exception']
without both: merged
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
