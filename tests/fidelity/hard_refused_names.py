"""Hard cells that flownb refuses: names that a body reads or captures in vain.

Every case would fail, or silently differ, in real Metaflow, so flownb must refuse it.
"""

from __future__ import annotations

from tests.fidelity.hard_refusal import START, alone, refused, warned, warned_alone

__all__ = ["REFUSED_NAMES"]

UNKNOWN = (
    alone(
        "undefined_name",
        "undefined name",
        "A name that nothing defines is refused.",
        "y = nowhere + x\n",
    ),
    warned_alone(
        "undefined_name_in_a_nested_scope",
        "undefined name",
        "An undefined name in a function that is never called is only said.",
        'def f():\n    return [f"{v}{nowhere}" for v in (x,)]\n',
    ),
    alone(
        "undefined_augmented_assignment",
        "undefined name",
        "total += 1 needs a total to start from.",
        "total += x\n",
    ),
    alone(
        "read_before_assignment",
        "name read before it is assigned",
        "A name that is read above its only assignment is refused.",
        "y = z + x\nz = 1\n",
    ),
    alone(
        "read_after_del",
        "name read after del",
        "A name that was deleted is gone.",
        "z = x\ndel z\ny = z\n",
    ),
    refused(
        "shared_name_rebound",
        "shared name read before it is assigned",
        "LIMIT = LIMIT + 1 makes LIMIT a local of the step, which has no value yet.",
        "%%shared\nLIMIT = 1\n",
        "%%step start -> y\nLIMIT = LIMIT + 1\ny = LIMIT\n",
        "%%step end\npass\n",
    ),
    alone(
        "typo_in_self",
        "unknown artifact",
        "self.x of a name that no parent has is refused.",
        "y = self.typo\n",
    ),
    refused(
        "name_kept_local_by_the_parent",
        "undefined name kept local by a parent",
        "A name that the parent assigned and did not capture is refused, and the parent is named.",
        "%%step start -> x\nx = 1\ndf = [1]\n",
        "%%step end -> n\nn = len(df)\n",
    ),
    refused(
        "name_of_a_scratch_cell",
        "undefined name of a scratch cell",
        "A name that only a scratch cell defines is refused.",
        "k = 5\n",
        START,
        "%%step end -> y\ny = x + k\n",
    ),
    refused(
        "artifact_of_a_later_step",
        "unknown artifact",
        "An artifact that only a later step has is refused.",
        "%%step start -> x\nx = later\n",
        "%%step end -> later\nlater = 1\n",
    ),
    refused(
        "artifact_of_a_sibling",
        "unknown artifact",
        "A branch cannot read what its sibling captured.",
        "%%step start\n",
        "%%step a --after start -> x\nx = 1\n",
        "%%step b --after start -> y\ny = x\n",
        "%%step end_join --after a,b --join\npass\n",
    ),
    refused(
        "artifact_lost_at_a_join",
        "artifact lost at a join",
        "A join that carries nothing on ends every inherited artifact.",
        "%%step start -> x\nx = 1\n",
        "%%step a --after start\npass\n",
        "%%step b --after start\npass\n",
        "%%step gather --after a,b --join -> n\nn = 2\n",
        "%%step end -> y\ny = x + n\n",
    ),
    warned(
        "artifact_of_one_branch_of_a_switch",
        "artifact that only some branches have",
        "What one case of a switch sets may be read where that case was taken.",
        "%%step start -> kind\nkind = 'a'\n",
        "%%step a --after start --when kind=a -> x\nx = 1\n",
        "%%step b --after start --when kind=b -> y\ny = 1\n",
        "%%step end --after a,b -> z\nz = x\n",
    ),
    refused(
        "artifact_of_the_other_input",
        "unknown artifact of an input",
        "inputs.a has what step a has, not what step b has.",
        "%%step start\n",
        "%%step a --after start -> x\nx = 1\n",
        "%%step b --after start -> y\ny = 1\n",
        "%%step gather --after a,b --join -> z\nz = inputs.a.y\n",
    ),
    refused(
        "unknown_input",
        "unknown input of a join",
        "inputs has the join's parents and no other step.",
        "%%step start\n",
        "%%step a --after start -> x\nx = 1\n",
        "%%step b --after start -> x\nx = 1\n",
        "%%step gather --after a,b --join -> z\nz = inputs.c.x\n",
    ),
    alone(
        "inputs_outside_a_join",
        "inputs outside a join",
        "inputs is given to joins only.",
        "y = [i.x for i in inputs]\n",
    ),
    warned_alone(
        "global_of_an_inherited_name",
        "global statement",
        "global x makes a global of the step's own process, beside the artifact.",
        "global x\nx = 2\n",
    ),
    warned_alone(
        "global_of_an_unknown_name",
        "global statement",
        "A body may make new globals, which no other step sees.",
        "global fresh\nfresh = x\n",
    ),
    warned_alone(
        "global_in_a_function",
        "global statement",
        "A nested function may make new globals too.",
        "def f():\n    global fresh\n    fresh = 1\nf()\n",
    ),
    alone(
        "nonlocal_without_a_binding",
        "nonlocal without a binding",
        "nonlocal needs a name that the body or a parent has.",
        "def f():\n    nonlocal nowhere\n    nowhere = 1\nf()\n",
    ),
)

CAPTURES = (
    refused(
        "captured_name_never_assigned",
        "captured name never assigned",
        "A capture of a name that is neither assigned nor inherited is refused.",
        "%%step start -> x, y\nx = 1\n",
        "%%step end\npass\n",
    ),
    refused(
        "captured_name_assigned_in_a_nested_scope",
        "captured name never assigned",
        "A name that only a nested function or comprehension binds is not the body's.",
        "%%step start -> y, v\ndef f():\n    y = 1\nz = [v for v in range(2)]\n",
        "%%step end\npass\n",
    ),
    refused(
        "captured_name_of_except_as",
        "captured name is unbound at the end",
        "The name of except ... as is gone when its clause ends.",
        "%%step start -> error\ntry:\n    int('x')\nexcept ValueError as error:\n    pass\n",
        "%%step end\npass\n",
    ),
    refused(
        "captured_name_deleted",
        "captured name is unbound at the end",
        "A name that the body deletes cannot be captured.",
        "%%step start -> x\nx = 1\ndel x\n",
        "%%step end\npass\n",
    ),
    warned(
        "captured_private_name",
        "name mangling",
        "Names with two leading underscores are mangled, for Metaflow and here alike.",
        "%%step start -> __x\n__x = 1\n",
        "%%step end\npass\n",
    ),
    warned(
        "private_attribute_of_self",
        "name mangling",
        "self.__x is mangled with the flow's name.",
        "%%step start\nself.__x = 1\n",
        "%%step end\npass\n",
    ),
    refused(
        "private_shared_name",
        "name mangling",
        "A shared name with two leading underscores is out of reach inside the flow's class.",
        "%%shared\ndef __helper():\n    return 1\n",
        "%%step start -> x\nx = __helper()\n",
        "%%step end\npass\n",
    ),
    warned(
        "captured_lambda",
        "function captured as an artifact",
        "Metaflow silently drops lambdas that are assigned to self.",
        "%%step start -> f\nf = lambda v: v\n",
        "%%step end\npass\n",
    ),
    warned(
        "captured_function",
        "function captured as an artifact",
        "Metaflow silently drops functions that are assigned to self.",
        "%%step start -> f\ndef f(v):\n    return v\n",
        "%%step end\npass\n",
    ),
    refused(
        "captured_module",
        "module captured as an artifact",
        "A module cannot be stored; every step that needs it imports it.",
        "%%step start -> math\nimport math\n",
        "%%step end\npass\n",
    ),
    warned(
        "lambda_assigned_to_self",
        "function captured as an artifact",
        "A lambda assigned to self directly is dropped too.",
        "%%step start\nself.f = lambda v: v\n",
        "%%step end\npass\n",
    ),
    *(
        refused(
            f"capture_named_{name}",
            "reserved artifact name",
            f"{name} is Metaflow's own attribute.",
            f"%%step start -> {name}\n{name} = 1\n",
            "%%step end\npass\n",
        )
        for name in ("input", "index", "next", "script_name")
    ),
    *(
        warned(
            f"capture_named_{name}",
            "reserved artifact name",
            f"{name} is stored, but the steps below read Metaflow's own.",
            f"%%step start -> {name}\n{name} = 1\n",
            "%%step end\npass\n",
        )
        for name in ("cmd", "foreach_stack", "merge_artifacts")  # `name` is an artifact of every task there
    ),
    refused(
        "self_input_assigned",
        "reserved artifact name",
        "Metaflow's own attributes cannot be assigned by self either.",
        "%%step start\nself.input = 1\n",
        "%%step end\npass\n",
    ),
    refused(
        "capture_named_like_a_step",
        "artifact named like a step",
        "An artifact would hide the step of its name.",
        "%%step start -> train\ntrain = 1\n",
        "%%step train\npass\n",
        "%%step end\npass\n",
    ),
    refused(
        "capture_of_a_parameter",
        "parameter assigned in a step",
        "A Parameter is constant for the whole run.",
        '%%flow HardFlow\nalpha = Parameter("alpha", default=0.5)\n',
        "%%step start -> alpha\nalpha = 1\n",
        "%%step end\npass\n",
    ),
    refused(
        "self_assignment_of_a_parameter",
        "parameter assigned in a step",
        "A Parameter cannot be assigned by self either.",
        '%%flow HardFlow\nalpha = Parameter("alpha", default=0.5)\n',
        "%%step start\nself.alpha = 1\n",
        "%%step end\npass\n",
    ),
    refused(
        "assignment_of_a_constant_of_the_flow",
        "constant of the flow assigned in a step",
        "A constant of the flow's class body cannot be assigned in a step.",
        "%%flow HardFlow\nRATE = 3\n",
        "%%step start\nself.RATE = 4\n",
        "%%step end\npass\n",
    ),
)

REFUSED_NAMES = (*UNKNOWN, *CAPTURES)
