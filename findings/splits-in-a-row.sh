#!/usr/bin/env bash
# Guess:   the time to load a flow grows with the number of its steps, and a flow may have as many steps as one likes.
# Really:  the graph is walked along every path, so each two-way split that is joined again doubles the walk for all
#          steps below it: twenty splits one after another are six million visits, in every process of a run, its tasks
#          included. A thousand steps in a row end in a RecursionError.
# Version: metaflow 2.19.39
# Source:  metaflow/graph.py, FlowGraph._traverse_graph (a recursive function; `seen` holds the path, not the steps that
#          were visited).
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

cat >write.py <<'EOP'
import sys

kind, number = sys.argv[1], int(sys.argv[2])
edges = {}
if kind == "splits":
    for n in range(number):
        last = n == number - 1
        edges["start" if n == 0 else f"p{n}"] = [f"l{n}", f"r{n}"]
        edges[f"l{n}"] = edges[f"r{n}"] = [f"j{n}"]
        edges[f"j{n}"] = ["end" if last else f"p{n + 1}"]
else:
    names = ["start", *(f"s{n}" for n in range(number)), "end"]
    edges = {name: [after] for name, after in zip(names, names[1:])}
print("from metaflow import FlowSpec, step\n\n\nclass LongFlow(FlowSpec):")
for name, targets in {**edges, "end": []}.items():
    following = ", ".join(f"self.{one}" for one in targets)
    inputs = ", inputs" if name[0] == "j" else ""
    print(f"    @step\n    def {name}(self{inputs}):")
    print(f"        self.next({following})\n" if targets else "        pass\n")
print('\nif __name__ == "__main__":\n    LongFlow()')
EOP
cat >count.py <<'EOP'
import sys

visits = 0


def count(frame, event, argument):
    global visits
    visits += event == "call" and frame.f_code.co_name == "traverse" and frame.f_code.co_filename.endswith("graph.py")


from metaflow.graph import FlowGraph  # noqa: E402

import flow  # noqa: E402

sys.setprofile(count)
FlowGraph(flow.LongFlow)
sys.setprofile(None)
print("SEEN", visits)
EOP
for number in 4 8 12; do
    venv/bin/python write.py splits $number >flow.py
    visits=$(venv/bin/python count.py | sed -n 's/^SEEN *//p')
    echo "splits $number visits $visits" | tee -a seen
done
for number in 500 1000; do
    venv/bin/python write.py row $number >flow.py
    if venv/bin/python flow.py --no-pylint check >log 2>&1; then
        echo "row $number: accepted" | tee -a seen
    else
        echo "row $number: $(grep -o RecursionError log | head -1)" | tee -a seen
    fi
done
cat >expected <<'EOP'
splits 4 visits 91
splits 8 visits 1531
splits 12 visits 24571
row 500: accepted
row 1000: RecursionError
EOP
diff expected seen
