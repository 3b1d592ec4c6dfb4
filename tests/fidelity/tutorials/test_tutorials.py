"""Metaflow's tutorials as notebooks: run here, exported, and beside the original flows on real Metaflow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from flownb.client import Flow, Run
from flownb.store.datastore import Datastore
from tests.fidelity.metaflow_peer import Tasks, run_in_metaflow
from tests.fidelity.tutorials import episodes
from tests.fidelity.tutorials.movies import GENRE_STATS, MOVIES, NOT_SCI_FI, SCI_FI

WriteNotebook = Callable[..., Path]


@pytest.fixture(autouse=True)
def _movies(tmp_path: Path) -> None:
    """Every notebook has the file of movies beside it."""
    (tmp_path / "movies.csv").write_text(MOVIES)


def flownb(*words: str, cwd: Path) -> str:
    """What a command that must go well prints, without warnings on standard error."""
    done = subprocess.run([sys.executable, "-m", "flownb.cli.main", *words], cwd=cwd, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def execute(notebook: Path) -> Any:
    """A notebook executed from top to bottom in a kernel of its own, in its folder; an error stops it."""
    cells = nbformat.read(notebook, as_version=4)
    return NotebookClient(cells, resources={"metadata": {"path": str(notebook.parent)}}).execute()


def shown(cell: Any) -> Any:
    """The value that a cell's last output shows."""
    return ast.literal_eval(cell.outputs[-1].data["text/plain"])


def latest(flow: str, folder: Path) -> Run:
    """The newest run here of a flow that went well."""
    run = Flow(flow, datastore=Datastore(folder / ".flownb")).latest_successful_run
    assert run is not None
    return run


def on_metaflow(notebook: Path, *arguments: str, drop: tuple[str, ...] = ()) -> Tasks:
    """The tasks of a notebook's exported flow on real Metaflow; `drop` are decorators that no local run can have."""
    text = flownb("export", notebook.name, "-o", "-", cwd=notebook.parent)
    for name in drop:
        text, count = re.subn(rf"^ *@{name}\(.*\)\n", "", text, flags=re.MULTILINE)
        assert count == 1
    return run_in_metaflow(text, notebook.parent, *arguments)


def original(episode: str, folder: Path, *arguments: str) -> Tasks:
    """The tasks of the tutorial's own flow, as Metaflow brings it, on our movies."""
    place = distribution("metaflow").locate_file(f"metaflow/tutorials/{episode}.py")
    return run_in_metaflow(Path(str(place)).read_text(), folder, *arguments)


def at_end(tasks: Tasks) -> dict[str, Any]:
    """The artifacts of a run's end."""
    (end,) = tasks["end"]
    return end


def output(folder: Path) -> str:
    """What Metaflow's newest run in a folder printed."""
    return (folder / "output.txt").read_text()


def test_hello_world(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 0: three steps print their lines in order, in both."""
    notebook = write_notebook(*episodes.HELLO)
    said = ["HelloFlow is starting.", "Metaflow says: Hi!", "HelloFlow is all done."]
    here = flownb("run", notebook.name, cwd=tmp_path)
    assert re.findall(r"^\[\w+\] (.*)$", here, re.MULTILINE) == said
    assert {step.id for step in latest("HelloFlow", tmp_path)} == {"start", "hello", "end"}
    tasks = on_metaflow(notebook)
    assert tasks == {"start": [{}], "hello": [{}], "end": [{}]}
    there = output(tmp_path)
    assert said == sorted(said, key=there.index)
    assert tasks == original("00-helloworld/helloworld", tmp_path)


def test_playlist(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 1: the playlist has all movies of the genre, the bonus is of another, and parameters hold."""
    notebook = write_notebook(*episodes.PLAYLIST)
    here = flownb("run", notebook.name, "--recommendations", "3", cwd=tmp_path)
    assert (here.count("Pick "), here.count("Bonus: ")) == (3, 1)
    data = latest("PlayListFlow", tmp_path).data
    assert data is not None
    assert set(data.playlist) == SCI_FI
    assert data.bonus in NOT_SCI_FI
    for tasks in (on_metaflow(notebook), original("01-playlist/playlist", tmp_path)):
        end = at_end(tasks)
        assert sorted(end["playlist"]) == sorted(SCI_FI)
        assert end["bonus"] in NOT_SCI_FI
        assert (end["genre"], end["recommendations"]) == ("Sci-Fi", 5)
    flownb("run", notebook.name, "--genre", "mystery", cwd=tmp_path)
    data = latest("PlayListFlow", tmp_path).data
    assert data is not None
    assert (data.playlist, data.genre, data.movie_data) == (["The Long Foreach"], "mystery", MOVIES)


def test_playlist_of_another_file(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 1: the file of movies can be another one, named on the command line."""
    other = tmp_path / "other.csv"
    other.write_text("movie_title,title_year,genres,gross\nOne,2001,Sci-Fi,1\nTwo,2002,Drama,2\n")
    notebook = write_notebook(*episodes.PLAYLIST)
    flownb("run", notebook.name, "--movie_data", "other.csv", cwd=tmp_path)
    data = latest("PlayListFlow", tmp_path).data
    assert data is not None
    assert (data.playlist, data.bonus) == (["One"], ("Two", "Drama"))
    end = at_end(on_metaflow(notebook, "--movie_data", "other.csv"))
    assert (end["playlist"], end["bonus"]) == (["One"], ("Two", "Drama"))


def test_statistics(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 2: a foreach over the genres finds the quartiles and the sorted movies of each."""
    notebook = write_notebook(*episodes.STATISTICS)
    here = flownb("run", notebook.name, cwd=tmp_path)
    assert set(re.findall(r"Statistics of (.*)", here)) == {"Comedy", "Drama", "Mystery", "Sci-Fi"}
    run = latest("MovieStatsFlow", tmp_path)
    assert run.data is not None
    assert run.data.genre_stats == GENRE_STATS
    assert [task.index for task in run["compute_statistics"]] == [3, 2, 1, 0]
    for tasks in (on_metaflow(notebook), original("02-statistics/stats", tmp_path)):
        end = at_end(tasks)
        assert end["genre_stats"] == GENRE_STATS
        assert sorted(str(task["genre"]).lower() for task in tasks["compute_statistics"]) == sorted(GENRE_STATS)


def test_playlist_redux(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 3: a step reads the latest successful run of another flow through the client."""
    statistics = write_notebook(*episodes.STATISTICS, name="statistics.ipynb")
    notebook = write_notebook(*episodes.PLAYLIST_REDUX)
    flownb("run", statistics.name, cwd=tmp_path)
    here = flownb("run", notebook.name, cwd=tmp_path)
    assert f"statistics: {latest('MovieStatsFlow', tmp_path).pathspec}\n" in here
    assert f"metadata: flownb@{tmp_path / '.flownb'}\n" in here
    data = latest("PlayListFlow", tmp_path).data
    assert data is not None
    assert data.playlist == ["Orbit of Paper"]
    assert data.bonus in NOT_SCI_FI
    on_metaflow(statistics)
    for tasks in (on_metaflow(notebook), original("03-playlist-redux/playlist", tmp_path)):
        end = at_end(tasks)
        assert end["playlist"] == ["Orbit of Paper"]
        assert end["bonus"] in NOT_SCI_FI


def test_statistics_and_playlist_in_a_kernel(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episodes 2 and 3, executed cell by cell: steps read what %flow run recorded, as scratch cells do."""
    kept = "genre_stats, [len(genre_stats[name]['dataframe']['gross']) for name in sorted(genre_stats)]"
    statistics = execute(write_notebook(*episodes.STATISTICS, kept, "%flow run", name="statistics.ipynb"))
    assert shown(statistics.cells[-2]) == (GENRE_STATS, [4, 4, 1, 4])
    asked = "from flownb import Flow\nrun = Flow('PlayListFlow').latest_run\nrun.successful, run.data.playlist"
    playlist = execute(write_notebook(*episodes.PLAYLIST_REDUX, "playlist, bonus[0] != ''", "%flow run", asked))
    assert shown(playlist.cells[-3]) == (["Orbit of Paper"], True)
    assert shown(playlist.cells[-1]) == (True, ["Orbit of Paper"])


def test_playlist_redux_without_statistics(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 3: without a run of the other flow, the step that reads it fails and says so."""
    write_notebook(*episodes.PLAYLIST_REDUX)
    words = [sys.executable, "-m", "flownb.cli.main", "run", "nb.ipynb"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Flow `MovieStatsFlow` has no runs" in done.stderr


def test_playlist_plus(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 4: the bonus is the title nearest to the hint; @conda is shown and exported, not applied here."""
    (tmp_path / "editdistance.py").write_text(episodes.EDIT_DISTANCE)
    statistics = write_notebook(*episodes.STATISTICS, name="statistics.ipynb")
    notebook = write_notebook(*episodes.PLAYLIST_PLUS)
    flownb("run", statistics.name, cwd=tmp_path)
    here = flownb("run", notebook.name, cwd=tmp_path)
    assert "conda" in "".join(re.findall(r"^note: .*", here, re.MULTILINE))
    data = latest("PlayListFlow", tmp_path).data
    assert data is not None
    assert (data.playlist, data.bonus) == (["Orbit of Paper"], ("Metaphor Release", "Comedy"))
    flownb("run", notebook.name, "--hint", "The Lint Trip", cwd=tmp_path)
    data = latest("PlayListFlow", tmp_path).data
    assert data is not None
    assert data.bonus == ("The Lint Trap", "Comedy|Drama")
    on_metaflow(statistics)
    end = at_end(on_metaflow(notebook, drop=("conda_base", "conda")))
    assert (end["playlist"], end["bonus"]) == (["Orbit of Paper"], ("Metaphor Release", "Comedy"))


@pytest.mark.parametrize("cloud", ["kubernetes", "batch"])
def test_hello_cloud(cloud: str, write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Episode 5: a step for the cloud runs here, is tried again when it fails, and is exported for the cloud."""
    cells = [cell.replace("@kubernetes", f"@{cloud}") for cell in episodes.HELLO_CLOUD]
    notebook = write_notebook(*cells)
    here = flownb("run", notebook.name, cwd=tmp_path)
    assert cloud in "".join(re.findall(r"^note: .*", here, re.MULTILINE))
    assert "Metaflow says: Hi from the cloud!" in here
    run = latest("HelloCloudFlow", tmp_path)
    assert run.data is not None
    assert run.data.message == "Hi from the cloud!"
    assert [(r.step, r.attempt) for r in run.timeline()] == [("start", 0), ("hello", 0), ("hello", 1), ("end", 0)]
    assert f"@{cloud}(cpu=1, memory=500)" in flownb("export", notebook.name, "-o", "-", cwd=tmp_path)
    tasks = on_metaflow(notebook, drop=(cloud,))
    assert tasks["end"] == [{"message": "Hi from the cloud!"}]
    assert "Metaflow says: Hi from the cloud!" in output(tmp_path)
