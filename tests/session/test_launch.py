"""What a command adds to a run or a spin: ``--with``, ``--branch``, ``--production``, and what is after ``--``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flownb.client import Run
from flownb.errors import ParameterError
from flownb.flow.decorators import decorator_spec
from flownb.runtime.launch import Launch, launch, project_facts
from flownb.session.checks import not_applied
from flownb.session.options import parse_resume, parse_run, parse_spin
from flownb.session.resume import Resume
from flownb.session.run import run_flow
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession

READ = "import os\nfrom metaflow import current\n"
PROJECT = '%%flow F\n@project(name="demo")\nx = 1'
BRANCH = "%%step a -> b\nfrom metaflow import current\nb = current.branch_name, current.is_production"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retry", ("retry", {})),
        ("retry:", ("retry", {})),
        ("card:type=blank,id=x", ("card", {"type": "blank", "id": "x"})),
        ("resources:memory=4000, cpu=1.5", ("resources", {"memory": 4000, "cpu": 1.5})),
        ('environment:vars={"A": "1, 2"}', ("environment", {"vars": {"A": "1, 2"}})),
        (r"card:options={\"a\": 1}", ("card", {"options": {"a": 1}})),
        ("kubernetes:image=a:b", ("kubernetes", {"image": "a:b"})),
    ],
)
def test_a_decorator_is_read_as_metaflow_reads_it(text: str, expected: Any) -> None:
    """Values are JSON, numbers or texts; a comma belongs to a value unless another setting follows it."""
    assert decorator_spec(text) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("retri", "`--with retri` does not name a step decorator of Metaflow. Did you mean `retry`?"),
        ("project", "`--with project` does not name a step decorator of Metaflow."),
        ("retry:tims=2", "`--with retry:tims=2`: @retry does not have the setting `tims`. Did you mean `times`?"),
        ("retry:3", "`--with retry:3`: `3` is not a setting."),
    ],
)
def test_a_decorator_that_metaflow_refuses(text: str, what: str) -> None:
    """An unknown decorator or setting is refused before anything runs, with the nearest name."""
    with pytest.raises(ParameterError) as caught:
        parse_run(["--with", text])
    assert caught.value.what == what


def test_values_are_checked_before_the_run(make_session: MakeSession) -> None:
    """A value that the decorator cannot work with ends the command; no run is recorded."""
    session = make_session("%%step a -> b\nb = 1")
    with pytest.raises(ParameterError, match=r"@retry of step .* has times=9"):
        run_flow(session, parse_run(["--with", "retry:times=9"]))
    assert session.datastore.runs.flows() == []


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_decorators_are_added_to_all_steps(make_session: MakeSession, executor: str) -> None:
    """A step that has the decorator keeps its own; a card is added to other cards; the first of two is taken."""
    session = make_session(
        f"%%step a -> b\n{READ}b = current.retry_count\nassert b == 1",
        f"%%step c -> d\n@retry(times=2, minutes_between_retries=0)\n@card(id='own')\n{READ}"
        "d = current.retry_count\nassert d == 2",
    )
    words = [
        "--with",
        "retry:times=1,minutes_between_retries=0",
        "--with",
        "retry:times=4",
        "--with",
        "card:id=x",
        "--executor",
        executor,
    ]
    outcome = run_flow(session, parse_run(words))
    run = Run(outcome.pathspec, datastore=session.datastore)
    assert [run["a"].task["b"].data, run["c"].task["d"].data] == [1, 2]
    cards = [[card.id for card in run[step].task._record.cards] for step in ("start", "a", "c", "end")]
    assert cards == [["x"], ["x"], ["x", "own"], ["x"]]


def test_a_resume_takes_them_too(make_session: MakeSession) -> None:
    """A resume adds decorators to what it runs; what only changes how a task is run leaves results valid."""
    session = make_session("%%step a -> b\nb = 1", f"%%step c -> d\n{READ}d = b\nassert current.retry_count")
    with pytest.raises(Exception, match="stopped"):
        run_flow(session, parse_run([]))
    plan = Resume(session, parse_resume(["--with", "retry:times=1,minutes_between_retries=0"]))
    outcome = plan.begin().drive()
    assert outcome.cloned == 2
    assert Run(outcome.pathspec, datastore=session.datastore)["c"].task["d"].data == 1


def test_a_spin_takes_them_too(make_session: MakeSession) -> None:
    """A spin applies those that mean something for one attempt, and says which do not."""
    session = make_session(f"%%step a -> b\n{READ}b = os.environ.get('ADDED')")
    options = ["a", "--with", 'environment:vars={"ADDED": 1}', "--with", "retry", "--with", "kubernetes"]
    outcome = spin_step(session, parse_spin(options))
    assert outcome["b"] == "1"
    notes = [f"note: @{name} of --with is not applied in a spin" for name in ("retry", "kubernetes")]
    assert [line.strip() for line in outcome.report.lines() if "--with" in line] == notes
    assert spin_step(session, parse_spin([*options, "--skip-decorators"]))["b"] is None
    assert spin_step(session, parse_spin([*options, "--isolate", "process"]))["b"] == "1"


def test_what_is_not_applied_is_named(make_session: MakeSession) -> None:
    """Decorators of --with that have no effect here are named once each."""
    session = make_session("%%step a -> b\nb = 1")
    added = parse_run(
        ["--with", "kubernetes", "--with", "retry", "--with", "batch", "--with", "batch:cpu=2"]
    ).decorators
    expected = ["@kubernetes of --with is not applied here", "@batch of --with is not applied here"]
    assert not_applied(session.program(False), added=added) == expected


def test_default_decorators_of_the_environment(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """METAFLOW_DEFAULT_DECOSPECS adds to runs, after --with; a spin leaves it alone, as Metaflow does."""
    monkeypatch.setenv("METAFLOW_DEFAULT_DECOSPECS", 'environment:vars={"ADDED":"1"} retry:times=3')
    session = make_session(f"%%step a -> b\n{READ}b = os.environ.get('ADDED'), current.retry_count\nassert b[1] == 1")
    outcome = run_flow(session, parse_run(["--with", "retry:times=1,minutes_between_retries=0"]))
    assert Run(outcome.pathspec, datastore=session.datastore)["a"].task["b"].data == ("1", 1)
    spun = make_session(f"%%step a -> b\n{READ}b = os.environ.get('ADDED')")
    assert spin_step(spun, parse_spin(["a"]))["b"] is None


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        ([], {}, ("user.tester", False)),
        (["--branch", "new"], {}, ("test.new", False)),
        (["--production"], {}, ("prod", True)),
        (["--branch", "new", "--production"], {}, ("prod.new", True)),
        ([], {"METAFLOW_BRANCH": "env"}, ("test.env", False)),
        (["--branch", "new"], {"METAFLOW_BRANCH": "env"}, ("test.new", False)),
        ([], {"METAFLOW_BRANCH": "env", "METAFLOW_FLOW_BRANCH": "first"}, ("test.first", False)),
        ([], {"METAFLOW_PRODUCTION": "yes"}, ("prod", True)),
        ([], {"METAFLOW_PRODUCTION": "1", "METAFLOW_FLOW_PRODUCTION": "0"}, ("user.tester", False)),
    ],
)
def test_the_branch_of_a_project(
    make_session: MakeSession,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    variables: dict[str, str],
    expected: Any,
) -> None:
    """Options and variables choose it for a run, a resume and a spin; the run has it as a system tag."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    session = make_session(PROJECT, BRANCH)
    outcome = run_flow(session, parse_run([*words, "--executor", "inline"]))
    run = Run(outcome.pathspec, datastore=session.datastore)
    assert run["a"].task["b"].data == expected
    assert run.system_tags == {"project:demo", f"project_branch:{expected[0]}"}
    assert spin_step(session, parse_spin(["a", *words]))["b"] == expected
    resumed = Resume(session, parse_resume([*words, "a", "--executor", "inline"])).begin().drive()
    assert Run(resumed.pathspec, datastore=session.datastore)["a"].task["b"].data == expected


def test_a_branch_is_carried_to_workers(make_session: MakeSession) -> None:
    """A task in a process of its own knows the branch that only the command was given."""
    session = make_session(PROJECT, BRANCH)
    outcome = run_flow(session, parse_run(["--branch", "new"]))
    assert Run(outcome.pathspec, datastore=session.datastore)["a"].task["b"].data == ("test.new", False)


def test_a_branch_without_a_project_is_refused(make_session: MakeSession) -> None:
    """Metaflow has no such option then; the variables are for other flows and mean nothing."""
    session = make_session("%%step a -> b\nb = 1")
    for words in (["--branch", "x"], ["--production"]):
        with pytest.raises(ParameterError, match="needs a flow with @project"):
            run_flow(session, parse_run(words))
        with pytest.raises(ParameterError, match="needs a flow with @project"):
            spin_step(session, parse_spin(["a", *words]))
    assert session.datastore.runs.flows() == []


@pytest.mark.parametrize(
    ("settings", "given", "what"),
    [
        ({"name": "p", "branch": "own"}, Launch(branch="x"), "The branch of the project is given twice"),
        ({"name": "p", "branch": ""}, Launch(branch="x"), "The branch of the project is given twice"),
        ({"name": "p", "production": False}, Launch(production=True), "The production of the project is given twice"),
        ({"name": "p"}, Launch(branch="A-b"), "`A-b` cannot be the name of a branch"),
    ],
)
def test_a_branch_that_metaflow_refuses(settings: dict[str, Any], given: Launch, what: str) -> None:
    """The decorator and the command must agree, and names must be those of a deployment."""
    with pytest.raises(ParameterError, match=what):
        project_facts("F", settings, given)


def test_the_decorator_and_the_command_may_agree() -> None:
    """A branch that both name is not a contradiction; an empty one in the decorator counts as chosen."""
    agreed = project_facts("F", {"name": "p", "branch": "own"}, Launch(branch="own", production=True))
    assert list(agreed.values()) == ["p", "prod.own", False, True, "p.prod.own.F"]
    assert list(project_facts("F", {"name": "p", "branch": ""}, Launch()).values()) == [
        "p",
        "user.tester",
        False,
        False,
        "p.user.tester.F",
    ]


def test_a_variable_that_is_not_a_truth_value_is_refused() -> None:
    """METAFLOW_PRODUCTION takes click's words for true and false."""
    with pytest.raises(ParameterError, match="METAFLOW_PRODUCTION cannot be `maybe`"):
        launch(environment={"METAFLOW_PRODUCTION": "maybe"})


def test_options_and_parameters_of_one_name(make_session: MakeSession) -> None:
    """Metaflow accepts a parameter that is called like an option of ours; `--` says which of the two is meant."""
    flow = '%%flow F\nexecutor = Parameter("executor", default="x")\nwith_ = Parameter("With", default="y")'
    session = make_session(flow, "%%step a -> b\nb = self.executor, self.with_")

    def given(*words: str) -> Any:
        outcome = run_flow(session, parse_run(words))
        return Run(outcome.pathspec, datastore=session.datastore)["a"].task["b"].data

    with pytest.raises(ParameterError, match="`--executor` can mean two things here"):
        given("--executor", "inline")
    assert given("--", "--executor", "spark") == ("spark", "y")
    assert given("--executor", "inline", "--With", "z", "--") == ("x", "z")
    assert given("--executor", "inline", "--", "--executor=spark") == ("spark", "y")


def test_a_name_that_metaflow_refuses(make_session: MakeSession) -> None:
    """Names that Metaflow itself refuses are refused in every spelling."""
    for name in ("tag", "max_workers", "run-id-file", "with", "obj"):
        session = make_session(f'%%flow F\nx = Parameter("{name}", default=1)', "%%step a -> b\nb = 1")
        with pytest.raises(ParameterError, match="has a name that is taken"):
            run_flow(session, parse_run([]))


def test_system_tags_stay(make_session: MakeSession) -> None:
    """A system tag is not added as the user's, and cannot be removed; both kinds find the run."""
    session = make_session(PROJECT, BRANCH)
    outcome = run_flow(session, parse_run(["--tag", "mine", "--executor", "inline"]))
    run = Run(outcome.pathspec, datastore=session.datastore)
    run.add_tags(["project:demo", "more"])
    assert run.user_tags == {"mine", "more"}
    assert run.tags == {"mine", "more", "project:demo", "project_branch:user.tester"}
    with pytest.raises(ParameterError, match="`project:demo` cannot be removed"):
        run.remove_tag("project:demo")


def test_a_config_chosen_by_module_code(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shared cell sets in the environment counts from the first run on, and for single steps."""
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG_VALUE", "")
    monkeypatch.chdir(tmp_path)
    cells = (
        """%%shared\nimport os\nos.environ["METAFLOW_FLOW_CONFIG_VALUE"] = '{"cfg": {"x": 2}}'""",
        """%%flow F\ncfg = Config("cfg", default_value='{"x": 1}')""",
        "%%step a -> b\nb = self.cfg.x",
    )
    assert run_step(make_session(*cells), "a").values == {"b": 2}
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG_VALUE", "")
    session = make_session(*cells)
    outcome = run_flow(session, parse_run([]))
    assert Run(outcome.pathspec, datastore=session.datastore)["a"].task["b"].data == 2


@pytest.mark.filterwarnings("ignore:The _yaml extension module:DeprecationWarning")  # Metaflow's own import
def test_every_decorator_that_is_not_applied_is_named(make_session: MakeSession) -> None:
    """Those of the flow and of steps, under any name they were imported by, one that flownb does not know included."""
    session = make_session(
        "%%shared\nimport metaflow as mf\nfrom metaflow import pytorch_parallel as torch_job, trigger as on_event\n"
        "def own(method):\n    return method",
        """%%flow F
@project(name="p")
@schedule(daily=True)
@on_event(event="e")
@mf.trigger_on_finish(flow="G")
@pypi_base(python="3.11")
@conda_base()
x = 1""",
        "%%step a -> b\n@retry\n@kubernetes(cpu=2)\n@own\n@mf.batch\n@torch_job\nb = 1",
    )
    expected = [
        *(f"@{name} of the flow" for name in ("schedule", "trigger", "trigger_on_finish", "pypi_base", "conda_base")),
        *(f"@{name} of a" for name in ("kubernetes", "batch", "pytorch_parallel")),
    ]
    assert not_applied(session.program(False)) == [
        f"{what} is written to flow.py; it is not applied here" for what in expected
    ]
    assert [note.partition(" is ")[0] for note in not_applied(session.program(False), "a")] == expected[-3:]
    outcome = run_flow(session, parse_run(["--executor", "inline"]))
    assert Run(outcome.pathspec, datastore=session.datastore)["a"].task["b"].data == 1
