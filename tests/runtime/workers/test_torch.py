"""Steps that use torch in a run: each attempt has its own random numbers, and tensors reach the next step."""

from __future__ import annotations

import pytest

from flownb.client import Run
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.conftest import MakeSession

torch = pytest.importorskip("torch")


def test_each_task_draws_its_own_numbers(make_session: MakeSession) -> None:
    """Tasks that use torch's generator draw different numbers, and the same ones after they seeded it."""
    session = make_session(
        "%%shared\nimport torch",
        "%%step s -> xs\nxs = [1, 2]",
        "%%step f --foreach xs -> differ, same\n"
        "differ = torch.rand(1).item()\ntorch.manual_seed(7)\nsame = torch.rand(1).item()",
        "%%step j --join",
    )
    runs = [Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore) for _ in range(2)]
    tasks = [task for run in runs for task in run["f"]]
    assert len({task["differ"].data for task in tasks}) == 4
    assert len({task["same"].data for task in tasks}) == 1


def test_a_model_is_trained_over_two_steps(make_session: MakeSession) -> None:
    """A model and its optimizer, kept as one artifact, are trained in two processes as they are in one.

    As two artifacts they would be two pickles, here as in Metaflow, and the optimizer would train copies.
    """
    train = (
        "model, optimizer = training\n"
        "for _ in range(3):\n    optimizer.zero_grad()\n    model(rows).sum().backward()\n    optimizer.step()"
    )
    session = make_session(
        "%%shared\nimport torch",
        "%%step make -> training, rows\ntorch.manual_seed(7)\nmodel = torch.nn.Linear(100, 20)\n"
        "training = model, torch.optim.Adam(model.parameters(), lr=0.1)\nrows = torch.ones(2, 100)",
        f"%%step first -> training, rows\n{train}",
        f"%%step second -> weight\n{train}\nweight = model.weight.detach().clone()",
    )
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    torch.manual_seed(7)
    model, rows = torch.nn.Linear(100, 20), torch.ones(2, 100)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(6):
        optimizer.zero_grad()
        model(rows).sum().backward()
        optimizer.step()
    task = run["second"].task
    assert task is not None
    assert torch.equal(task["weight"].data, model.weight.detach())
