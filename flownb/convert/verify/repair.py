"""Makes constraints for the next proposal from what a proof found to differ, each with a finding that says why.

The causes are looked for in this order; the first that applies to a step decides:

1. a value that is captured cannot be stored: its cells become one step, from where it is made to where it is last used;
2. a step does not find a name, or a value changed where no step captures it: the step with that cell captures it, or,
   if the cell is scratch, becomes a step;
3. a step has the right inputs and still other results: it depends on a state of the process, such as a random
   generator, or two names of one object. It becomes one step with the steps before it; twice as many each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flownb.convert.plain import PlainCell
from flownb.convert.proposal import Constraints, Finding, Place, Proposal, ProposedStep
from flownb.convert.trees import walk
from flownb.convert.verify.chance import RANDOM, is_seed, sources_of
from flownb.convert.verify.comparison import first_cell
from flownb.convert.verify.proof import Checked
from flownb.convert.verify.report import FILE, PRINTED
from flownb.convert.verify.snapshots import Held
from flownb.errors import Message

__all__ = ["Repair", "everything", "remaining", "repair", "unstorable"]


@dataclass(frozen=True)
class Repair:
    """Constraints that are added, and what is said about them."""

    constraints: Constraints = field(default_factory=Constraints)
    findings: tuple[Finding, ...] = ()

    def __add__(self, other: Repair) -> Repair:
        one, two = self.constraints, other.constraints
        both = Constraints(
            one.together | two.together, one.captures | two.captures, one.steps | two.steps, one.local | two.local
        )
        return Repair(both, (*self.findings, *(new for new in other.findings if new not in self.findings)))

    def adds_to(self, known: Constraints) -> bool:
        """Whether it has a constraint that is not known."""
        mine = self.constraints
        return not (
            mine.together <= known.together
            and mine.captures <= known.captures
            and mine.steps <= known.steps
            and mine.local <= known.local
        )


def unstorable(
    proposal: Proposal,
    cells: Sequence[PlainCell],
    held: Mapping[str, Mapping[str, Held]],
    by_value: Mapping[str, Mapping[str, str]] | None = None,
) -> Repair:
    """Put together the cells that share a value which cannot be stored.

    Parameters
    ----------
    proposal : Proposal
    cells : sequence of PlainCell
        The plain notebook's.
    held : mapping of str to mapping of str to Held
        By step: what names hold in the plain notebook at its end.
    by_value : mapping of str to mapping of str to str, optional
        By step and name: what in an artifact of the flow Metaflow cannot pickle.
    """
    found = Repair()
    for position, step in enumerate(proposal.steps):
        for name in step.captures:
            one = held.get(step.name, {}).get(name)
            problem = one.problem if one is not None else ""
            other = (by_value or {}).get(step.name, {}).get(name, "")
            if not problem and other:
                problem = f"Metaflow cannot pickle {other}."
            if not problem:
                continue
            made = max((n for n in step.cells if name in cells[n - 1].names.assigned), default=step.cells[-1])
            users = [
                number for later in proposal.steps[position + 1 :] if name in later.loads for number in later.cells
            ]
            kind = f" ({one.type})" if one is not None else ""
            if not users:
                message = Message(
                    f"`{name}`{kind} of cell {made} is not captured, because it cannot be stored.", problem
                )
                finding = Finding("unstorable", "value-not-storable", (Place(made),), message)
                local = frozenset((number, name) for number in step.cells)
                found += Repair(Constraints(local=local), (finding,))
                continue
            used = max((n for n in users if _mentions(cells[n - 1], name)), default=max(users))
            places = tuple(Place(number) for number in dict.fromkeys((made, used)))
            what = f"Cells {made} and {used} are one step, because `{name}`{kind} cannot be stored."
            fix = f"To have several steps, make `{name}` in each step that uses it."
            finding = Finding("unstorable", "value-not-storable", places, Message(what, problem, fix))
            found += Repair(Constraints(together=frozenset([(made, used)])), (finding,))
    return found


def repair(
    proposal: Proposal,
    cells: Sequence[PlainCell],
    checked: Checked,
    held: Mapping[str, Mapping[str, Held]],
    known: Constraints,
    merges: int,
) -> Repair:
    """Find the cause of the first difference.

    Parameters
    ----------
    proposal : Proposal
    cells : sequence of PlainCell
    checked : Checked
        Of this proposal; something differs or failed.
    held : mapping of str to mapping of str to Held
        As for `unstorable`.
    known : Constraints
        Those the proposal was made with.
    merges : int
        How many repairs before this one merged steps because of a state of the process.

    Returns
    -------
    Repair
        Without constraints if nothing is left that could be done.
    """
    by_value = {
        step: {name: ref.by_value for name, ref in refs.items() if ref.by_value}
        for step, refs in checked.answer.artifacts.items()
    }
    found = unstorable(proposal, cells, held, by_value)
    if found.adds_to(known):
        return found
    found = _changed_elsewhere(proposal, cells, checked) + _file_of_scratch(proposal, cells, checked)
    if found.adds_to(known):
        return found
    step = _first_problem(proposal, checked)
    if step is None:
        return Repair()
    found = _missing_name(proposal, cells, checked, step)
    if found.adds_to(known):
        return found
    return _state(proposal, cells, checked, step, known, merges)


def everything(proposal: Proposal, cells: Sequence[PlainCell], checked: Checked) -> Repair:
    """The last resort: one step with the code of all cells."""
    numbers = [number for step in proposal.steps for number in step.cells]
    scratch = {part.place.cell for part in proposal.scratch if cells[part.place.cell - 1].tree is not None}
    span = sorted({*numbers, *scratch})
    if not span:
        return Repair()
    differing = next((row for row in checked.verification.rows if row.verdict != "equal"), None)
    cause = "" if differing is None else f"As several steps, {_named(differing.name)} would differ in the flow."
    if checked.answer.failure is not None:
        cause = f"As several steps, the flow fails: {checked.answer.failure.error.rstrip('.')}."
    finding = Finding(
        "hidden",
        "one-step",
        (Place(span[0]), Place(span[-1])),
        Message(
            f"All cells from {span[0]} to {span[-1]} are one step.",
            cause,
            "Split the step by hand where you know better.",
        ),
    )
    return Repair(Constraints(together=frozenset([(span[0], span[-1])]), steps=frozenset(scratch)), (finding,))


def remaining(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings without those that later ones made meaningless: of cells that are inside of a wider step now."""
    spans = [
        (position, one.places[0].cell, one.places[-1].cell)
        for position, one in enumerate(findings)
        if one.code in ("process-state", "random-state", "one-step", "value-not-storable") and len(one.places) > 1
    ]

    def is_inside(position: int, finding: Finding) -> bool:
        first, last = finding.places[0].cell, finding.places[-1].cell
        return any(
            other > position and start <= first and last <= end and (start, end) != (first, last)
            for other, start, end in spans
        )

    return tuple(one for position, one in enumerate(findings) if not is_inside(position, one))


def _named(name: str) -> str:
    return "what is printed" if name == PRINTED else f"`{name}`"


def _mentions(cell: PlainCell, name: str) -> bool:
    """Whether a cell reads a name, perhaps in a string."""
    return name in cell.names.reads or name in cell.names.mentions


def _changed_elsewhere(proposal: Proposal, cells: Sequence[PlainCell], checked: Checked) -> Repair:
    """Capture what changes in a step that does not capture it, and put scratch cells that change something in steps."""
    found = Repair()
    owners = {number: step for step in proposal.steps for number in step.cells}
    for number, names in checked.changed.items():
        step = owners.get(number)
        for name in sorted(names):
            if step is None and number in {part.place.cell for part in proposal.scratch}:
                finding = Finding(
                    "hidden",
                    "changed-by-scratch",
                    (Place(number),),
                    Message(f"Cell {number} is part of a step.", f"It changes `{name}`, which a later step reads."),
                )
                found += Repair(Constraints(steps=frozenset([number])), (finding,))
            elif step is not None and name not in step.captures and _differs(checked, step.name, name):
                finding = Finding(
                    "hidden",
                    "changed-in-place",
                    (Place(number),),
                    Message(
                        f"The step with cell {number} captures `{name}`.",
                        f"Its code changes the value that `{name}` has, and a later step reads it.",
                    ),
                )
                found += Repair(Constraints(captures=frozenset([(number, name)])), (finding,))
    return found


def _file_of_scratch(proposal: Proposal, cells: Sequence[PlainCell], checked: Checked) -> Repair:
    """Put scratch cells that write files in steps."""
    found = Repair()
    missing = [row.name for row in checked.verification.rows if row.type == FILE and row.verdict == "differs"]
    for number in sorted({part.place.cell for part in proposal.scratch}):
        cell = cells[number - 1]
        name = next((one for one in missing if cell.tree is not None and one.rpartition("/")[2] in cell.source), None)
        if name is not None:
            message = Message(
                f"Cell {number} is part of a step.", f"It names the file `{name}`, which the notebook writes."
            )
            finding = Finding("hidden", "written-by-scratch", (Place(number),), message)
            found += Repair(Constraints(steps=frozenset([number])), (finding,))
    return found


def _differs(checked: Checked, step: str, name: str) -> bool:
    """Whether an artifact of a step is not what the notebook has."""
    return bool(checked.answer.verdicts.get(step, {}).get(name))


def _first_problem(proposal: Proposal, checked: Checked) -> ProposedStep | None:
    """The first step that failed or whose values differ."""
    failure = checked.answer.failure
    wrong = {row.step for row in checked.verification.rows if row.verdict in ("differs", "failed")}
    for step in proposal.steps:
        if step.name in wrong or (failure is not None and failure.step == step.name):
            return step
    return proposal.steps[-1] if failure is not None and proposal.steps else None


def _missing_name(proposal: Proposal, cells: Sequence[PlainCell], checked: Checked, step: ProposedStep) -> Repair:
    """Capture a name that the step did not find, where it is bound."""
    failure = checked.answer.failure
    if failure is None or not failure.name or failure.step != step.name:
        return Repair()
    name, first = failure.name, first_cell(proposal, step)
    made = max((cell.number for cell in cells[: first - 1] if name in cell.names.assigned), default=0)
    if not made:
        return Repair()
    owner = next((one for one in proposal.steps if made in one.cells), None)
    if owner is None:
        constraints = Constraints(steps=frozenset([made]))
        what = f"Cell {made} is part of a step."
    else:
        constraints = Constraints(captures=frozenset([(made, name)]))
        what = f"The step with cell {made} captures `{name}`."
    why = f"It makes `{name}`, which cell {first} reads."
    return Repair(constraints, (Finding("hidden", "name-read-later", (Place(made),), Message(what, why)),))


def _state(
    proposal: Proposal,
    cells: Sequence[PlainCell],
    checked: Checked,
    step: ProposedStep,
    known: Constraints,
    merges: int,
) -> Repair:
    """Merge a step with those before it, or with the scratch cells before it, because of a state of the process."""
    position = proposal.steps.index(step)
    first = first_cell(proposal, step)
    draws = any(RANDOM in sources_of(cells[number - 1]) for number in step.cells)
    seeds = [cell.number for cell in cells[: max(first - 1, 0)] if draws and _seeds(cell)]
    in_steps = {number for one in proposal.steps for number in one.cells}
    scratch = {part.place.cell for part in proposal.scratch}
    row = next((one for one in checked.verification.rows if one.step == step.name and one.verdict == "differs"), None)
    thing = "it fails" if row is None else f"{_named(row.name)} differs"
    found = Repair()
    for seed in seeds[-1:]:
        place = (Place(seed), Place(first))
        if seed in scratch and seed not in in_steps:
            what = f"Cell {seed} is part of a step."
            why = f"It sets the state of a random generator, on which cell {first} depends."
            message = Message(what, why)
            found += Repair(
                Constraints(steps=frozenset([seed])), (Finding("hidden", "random-state", (Place(seed),), message),)
            )
        elif seed in in_steps and not any(seed in one.cells for one in (step,)):
            message = Message(
                f"Cells {seed} and {first} are one step.",
                f"Cell {seed} sets the state of a random generator, which no artifact carries to cell {first}.",
                "To have several steps, give each its own generator: `rng = np.random.default_rng(seed)`.",
            )
            found += Repair(
                Constraints(together=frozenset([(seed, first)])),
                (Finding("hidden", "random-state", place, message),),
            )
    if found.adds_to(known):
        return found
    if position == 0:
        before = frozenset(number for number in scratch - in_steps if number < max(step.cells, default=0))
        message = Message(
            f"The cells before cell {first} that only seemed to show values are part of a step.",
            f"Without them {thing} in the flow.",
        )
        if not before:
            return Repair()
        finding = Finding("hidden", "process-state", tuple(map(Place, sorted(before))), message)
        return Repair(Constraints(steps=before), (finding,))
    other = proposal.steps[max(0, position - 2**merges)]
    start = max(other.cells, default=first) if merges == 0 else first_cell(proposal, other)
    message = Message(
        f"Cells {start} and {first} are one step.",
        f"As two steps, {thing} in the flow although cell {first} gets the right values: it depends on something that "
        "no artifact carries, such as one object under two names or the state of a library.",
    )
    finding = Finding("hidden", "process-state", (Place(start), Place(first)), message)
    return Repair(Constraints(together=frozenset([(start, first)])), (finding,))


def _seeds(cell: PlainCell) -> bool:
    """Whether a cell sets the state of a random generator that all code shares."""
    return cell.tree is not None and any(map(is_seed, walk(cell.tree)))
