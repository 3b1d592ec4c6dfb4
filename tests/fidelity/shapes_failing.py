"""Shapes that fail while they run: ambiguous merges, foreachs over nothing, switches without a case.

Every shape must fail in the same step in real Metaflow and in flownb.
"""

from __future__ import annotations

from tests.fidelity.shape import FailingShape

__all__ = ["FAILING"]

START = "%%step start -> x, y\nx, y = 1, 2\n"
LEFT = "%%step left --after start -> x\nx = y * 10\n"
RIGHT = "%%step right --after start -> x\nx = y * 20\n"


def _merge(name: str, promise: str, says: str, body: str) -> FailingShape:
    """A join of two branches with another `x` each."""
    join = f"%%step gather --after left,right --join\n{body}\n"
    return FailingShape(name, promise, "gather", says, (START, LEFT, RIGHT, join))


FAILING = (
    _merge("merge_of_other_values", "A merge is refused where values differ.", "x", "self.merge_artifacts(inputs)"),
    _merge(
        "merge_of_included_other_values",
        "An included name is no less ambiguous.",
        "x",
        "self.merge_artifacts(inputs, include=['x', 'y'])",
    ),
    _merge(
        "merge_that_excludes_another_name",
        "Excluding one name does not help the other.",
        "x",
        "self.merge_artifacts(inputs, exclude=['y'])",
    ),
    _merge(
        "merge_set_too_late",
        "What is set after the merge does not help it.",
        "x",
        "self.merge_artifacts(inputs)\nself.x = 1",
    ),
    _merge(
        "merge_include_of_no_artifact",
        "An included name must be an artifact of a branch.",
        "nowhere",
        "self.merge_artifacts(inputs, include=['y', 'nowhere'])",
    ),
    _merge(
        "merge_include_and_exclude",
        "include and exclude contradict each other.",
        "exclude",
        "self.merge_artifacts(inputs, include=['y'], exclude=['x'])",
    ),
    FailingShape(
        "merge_of_tasks_that_failed_differently",
        "What @catch caught is an artifact, too.",
        "gather",
        "_catch_exception",
        (
            "%%step start -> xs\nxs = [1, 2]\n",
            "%%step work --foreach xs\n@catch(print_exception=False)\nraise ValueError(self.input)\n",
            "%%step gather --join\nself.merge_artifacts(inputs)\n",
        ),
    ),
    FailingShape(
        "merge_of_foreach_tasks",
        "Tasks of a foreach that set one name differently conflict, too.",
        "gather",
        "v",
        (
            "%%step start -> xs\nxs = [1, 2]\n",
            "%%step work --foreach xs -> v\nv = self.input\n",
            "%%step gather --join\nself.merge_artifacts(inputs)\n",
        ),
    ),
    FailingShape(
        "join_reads_what_one_branch_lacks",
        "A join cannot read an artifact from a branch that has none of that name.",
        "gather",
        "only_left",
        (
            "%%step start\n",
            "%%step left --after start -> only_left\nonly_left = 1\n",
            "%%step right --after start\n",
            "%%step gather --after left,right --join -> v\nv = [i.only_left for i in inputs]\n",
        ),
    ),
    FailingShape(
        "foreach_over_an_empty_list",
        "A foreach needs an item, and the step that starts it fails.",
        "start",
        "xs",
        (
            "%%step start -> xs\nxs = []\n",
            "%%step work --foreach xs -> v\nv = self.input\n",
            "%%step gather --join\npass\n",
        ),
    ),
    FailingShape(
        "inner_foreach_over_an_empty_list",
        "One empty inner list of many fails the task that has it.",
        "outer",
        "ys",
        (
            "%%step start -> xs\nxs = [1, 0]\n",
            "%%step outer --foreach xs -> ys\nys = list(range(self.input))\n",
            "%%step inner --foreach ys -> v\nv = self.input\n",
            "%%step inner_join --join\npass\n",
            "%%step outer_join --join\npass\n",
        ),
    ),
    FailingShape(
        "foreach_over_a_number",
        "A foreach runs over what can be iterated.",
        "start",
        "xs",
        (
            "%%step start -> xs\nxs = 3\n",
            "%%step work --foreach xs -> v\nv = self.input\n",
            "%%step gather --join\npass\n",
        ),
    ),
    FailingShape(
        "foreach_over_a_generator",
        "A generator is no artifact, so no foreach can run over it.",
        "start",
        "xs",
        (
            "%%shared\ndef items():\n    return (n for n in range(3))\n",
            "%%step start -> xs\nxs = items()\n",
            "%%step work --foreach xs -> v\nv = self.input\n",
            "%%step gather --join\npass\n",
        ),
    ),
    FailingShape(
        "foreach_over_too_many_items",
        "More items than --max-num-splits stop the run; no task failed.",
        None,
        "max-num-splits",
        (
            "%%step start -> xs\nxs = [1, 2, 3]\n",
            "%%step work --foreach xs -> v\nv = self.input\n",
            "%%step gather --join\npass\n",
        ),
        max_num_splits=2,
    ),
    FailingShape(
        "switch_without_the_value",
        "A switch whose artifact has a value of no case fails, and names the value.",
        "start",
        "medium",
        (
            "%%step start -> size\nsize = 'medium'\n",
            "%%step small --after start --when size=small\n",
            "%%step big --after start --when size=big\n",
        ),
    ),
    FailingShape(
        "switch_on_the_text_of_a_number",
        "The text 1 is not the number 1.",
        "start",
        "1",
        (
            "%%step start -> n\nn = '1'\n",
            "%%step one --after start --when n=1\n",
            "%%step two --after start --when n=2\n",
        ),
    ),
    FailingShape(
        "loop_that_fails_in_its_second_round",
        "Any round of a loop may fail.",
        "grow",
        "enough",
        (
            "%%step start -> n\nn = 0\n",
            "%%step grow\nself.n += 1\nassert self.n < 2, 'enough'\nself.more = True\n"
            "self.next({True: self.grow, False: self.end}, condition='more')\n",
            "%%step end\n",
        ),
    ),
)
