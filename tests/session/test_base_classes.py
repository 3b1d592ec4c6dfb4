"""Flows whose class has bases, steps that mark the first and the last one, and what is called at a run's end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flownb.client import Run
from flownb.session.export import export_flow
from flownb.session.options import parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession

BASE = """%%shared
from metaflow import Config, FlowSpec, Parameter, retry, step

class Mixin:
    beta = Parameter("beta", default=3)
    settings = Config("settings", default_value={"depth": 4})
    UNIT = "cm"

    def scaled(self, value):
        return value * self.beta

class Base(FlowSpec):
    alpha = Parameter("alpha", default=2)
    UNIT = "mm"
    KIND = "base"

    @step
    def start(self):
        self.xs = [1, 2]
        self.next(self.middle)

    @step
    def middle(self):
        self.total = sum(self.xs) * self.alpha
        self.next(self.end)

    @step
    def end(self):
        self.said = f"{self.total} {self.UNIT}"
"""
JOINING = """%%shared
from metaflow import FlowSpec, step

class Sweep(FlowSpec):
    @step
    def start(self):
        self.xs = [1, 2, 3]
        self.next(self.fit, foreach="xs")

    @step
    def fit(self):
        self.y = self.input ** 2
        self.next(self.pick)

    @step
    def pick(self, models):
        self.best = max(one.y for one in models)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def run(session: Session, *words: str) -> Run:
    """Run the whole flow in this process."""
    return Run(run_flow(session, parse_run(["--executor", "inline", *words])).pathspec, datastore=session.datastore)


def artifact(found: Run, step: str, name: str) -> Any:
    """An artifact of a step of one task."""
    task = found[step].task
    assert task is not None
    return task[name].data


def test_inherited_steps_run(make_session: MakeSession) -> None:
    """A flow may have all its steps from a base; parameters given to the run reach them."""
    session = make_session(BASE, "%%flow F(Base)")
    assert artifact(run(session), "end", "said") == "6 mm"
    assert artifact(run(session, "--alpha", "10"), "end", "said") == "30 mm"


def test_an_inherited_step_is_spun(make_session: MakeSession) -> None:
    """A spin runs one step of a base on what its parents left, with another parameter for once."""
    session = make_session(BASE, "%%flow F(Base)")
    run(session)
    assert spin_step(session, parse_spin(["middle"])).values == {"total": 6}
    assert spin_step(session, parse_spin("middle --set alpha=5".split())).values == {"total": 15}
    assert spin_step(session, parse_spin(["middle"]), body="self.total = -sum(self.xs)").values == {"total": -3}


def test_an_inherited_foreach_and_join_run(make_session: MakeSession) -> None:
    """A join of a base calls its inputs as its method does."""
    session = make_session(JOINING, "%%flow F(Sweep)")
    assert artifact(run(session), "pick", "best") == 9
    assert spin_step(session, parse_spin(["pick"])).values == {"best": 9}


def test_a_cell_replaces_an_inherited_step(make_session: MakeSession) -> None:
    """The cell's step runs in place of the base's, which it can call."""
    first = "%%step start -> xs\nxs = [1, 2, 30]\nself.next(self.middle)"
    last = "%%step end\nsuper().end()\nself.said += '!'"
    session = make_session(BASE, "%%flow F(Base)", first, last)
    assert run_step(session, "start").values["xs"] == [1, 2, 30]
    found = run(session)
    assert (artifact(found, "start", "xs"), artifact(found, "end", "said")) == ([1, 2, 30], "66 mm!")


def test_parameters_configs_and_constants_of_all_bases(make_session: MakeSession) -> None:
    """The first base that has a name counts; methods of mix-ins see parameters; steps read them by plain name."""
    values = "total = self.scaled(alpha)\nmore = [settings.depth, UNIT, KIND]"
    body = f"%%step middle -> total, more\n{values}\nself.next(self.end)"
    session = make_session(BASE, "%%flow F(Mixin, Base)\nKIND = 'own'", body)
    found = run(session, "--beta", "7")
    assert (artifact(found, "middle", "total"), artifact(found, "middle", "more")) == (14, [4, "cm", "own"])
    assert artifact(found, "end", "said") == "14 cm"
    assert (artifact(found, "end", "beta"), artifact(found, "end", "alpha")) == (7, 2)
    found = run(session, "--config-value", "settings", '{"depth": 9}')
    assert artifact(found, "middle", "more") == [9, "cm", "own"]


def test_a_base_in_a_module_beside_the_notebook(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of a module's class run, and their `current` is the one of the task."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "flow_base_module.py").write_text(
        "from metaflow import FlowSpec, Parameter, current, step\n\nclass Base(FlowSpec):\n"
        "    alpha = Parameter('alpha', default=2)\n\n    @step\n    def start(self):\n"
        "        self.seen = [current.step_name, current.flow_name, self.alpha]\n        self.next(self.end)\n"
    )
    session = make_session(
        "%%shared\nimport flow_base_module", "%%flow F(flow_base_module.Base)", "%%step end\nself.y = 1"
    )
    assert artifact(run(session), "start", "seen") == ["start", "F", 2]


def test_file_is_the_exported_flow(make_session: MakeSession, tmp_path: Path) -> None:
    """Shared code and steps can ask for the folder of the flow's file."""
    session = make_session(
        "%%shared\nfrom pathlib import Path\nHERE = Path(__file__).parent",
        "%%step a -> here, name\nhere = HERE == Path(__file__).parent\nname = Path(__file__).name",
    )
    assert run_step(session, "a").values == {"here": True, "name": "flow.py"}


def test_a_join_names_its_inputs(make_session: MakeSession) -> None:
    """--join models lets the body say `models`."""
    session = make_session(
        "%%step load -> xs\nxs = [1, 2]",
        "%%step fit --foreach xs -> y\ny = self.input * 10",
        "%%step pick --join models -> best, n\nbest = max(one.y for one in models)\n"
        "self.merge_artifacts(models, include=['xs'])\nn = len(self.xs)",
    )
    assert tuple(artifact(run(session), "pick", name) for name in ("best", "n")) == (20, 2)
    assert "def pick(self, models):" in export_flow(session)


def test_the_first_and_last_step_may_have_any_name(make_session: MakeSession) -> None:
    """No `start` and `end` are added around steps that say that they are first and last."""
    session = make_session(
        "%%step extract -> x\n@step(start=True)\nx = 1",
        "%%step double -> y\ny = x * 2",
        "%%step load -> z\n@step(end=True)\nz = y + 1",
    )
    found = run(session)
    assert sorted(one.id for one in found) == ["double", "extract", "load"]
    assert artifact(found, "load", "z") == 3
    assert found.end_task is not None
    assert found.end_task.path_components[2] == "load"


@pytest.mark.parametrize(("mark", "steps"), [("", ["only"]), ("@step(start=True, end=True)\n", ["only"])])
def test_a_flow_of_one_step(make_session: MakeSession, mark: str, steps: list[str]) -> None:
    """It is its first step and its last one."""
    session = make_session(f"%%step only -> x\n{mark}x = 5")
    found = run(session)
    assert ([one.id for one in found], artifact(found, "only", "x")) == (steps, 5)
    assert found.successful


HOOKED = (
    "%%shared\ndef well(): print('went well')\ndef which(run): print(run.pathspec, run.successful)\n"
    "def badly(run): print('failed', run.pathspec)",
    '%%flow F\n@exit_hook(on_success=[well, which], on_error=[badly])\nfail = Parameter("fail", default=False)',
    "%%step a -> x\nx = 1 / (not fail)",
)


def test_exit_hooks_print(make_session: MakeSession, capfd: pytest.CaptureFixture[str]) -> None:
    """What the hooks of a run print is shown when it has ended, well or with an error."""
    session = make_session(*HOOKED)
    run_flow(session, parse_run(["--executor", "inline"]))
    assert [line for line in capfd.readouterr().out.splitlines() if line[:1] in "wF"] == ["went well", "F/1 True"]
    with pytest.raises(Exception, match="division by zero"):
        run_flow(session, parse_run(["--executor", "inline", "--fail", "True"]))
    assert "failed F/2" in capfd.readouterr().out.splitlines()
