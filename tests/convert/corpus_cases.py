"""What is right for each notebook of the corpus, written from the notebooks and not from what `flownb convert` does.

Cells are numbers of code cells, from 1, as in the messages of `flownb convert`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CASES", "CORPUS", "EDITS", "Case"]

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Case:
    """What is right for a notebook.

    Attributes
    ----------
    shape : str
        What people do in such a notebook.
    results : tuple of str
        Names whose last value its author may look for afterwards. Those that no step captures, as only code of the same
        step uses them, are shown and not counted as wrong.
    fails : str
        Empty if the notebook runs from top to bottom; else the cell that fails and how, such as ``"3 NameError"``.
    edit : str
        Empty if the notebook becomes a flow as it is; else what its author has to change first, for which the notebook
        is refused.
    chance : tuple of str
        Names whose values differ from run to run.
    together : tuple of (int, int)
        Cells that can only be in one step, with all between them.
    hidden : tuple of str
        Codes of findings that have to be said.
    """

    shape: str
    results: tuple[str, ...] = ()
    fails: str = ""
    edit: str = ""
    chance: tuple[str, ...] = ()
    together: tuple[tuple[int, int], ...] = ()
    hidden: tuple[str, ...] = ()


def _case(shape: str, results: str = "", *, fails: str = "", edit: str = "", chance: str = "", **more: str) -> Case:
    """A case from texts: names by blanks, cells that are together as ``1-3``."""
    together = tuple(tuple(map(int, pair.split("-"))) for pair in more.get("together", "").split())
    hidden = tuple(more.get("hidden", "").split())
    return Case(shape, tuple(results.split()), fails, edit, tuple(chance.split()), together, hidden)  # type: ignore[arg-type]


CASES: dict[str, Case] = {
    # Exploration, training, plotting
    "sales_exploration": _case("exploration with pandas under headings", "df by_store best"),
    "ferry_survival": _case(
        "exploration and a forest, as in a competition", "rate_women rate_men accuracy model output"
    ),
    "iris_pipeline": _case("pipeline and grid search", "search test_score cm", chance="search"),
    "digits_models_loop": _case("loop over models, warnings off", "results best wrong"),
    "wine_cross_validation": _case("cross-validation in two loops, global seed", "table winner boot", together="1-6"),
    "breast_cancer_thresholds": _case("threshold search", "best_t best_f missed"),
    "sensors_time_series": _case("time series, rolling means, subplots", "wide daily alarms first_alarm"),
    "figure_over_cells": _case("one figure drawn over several cells", "coef fit rmse"),
    "late_imports": _case("imports in the middle, a chart and a file", "centre payload digest"),
    "flights_eda": _case("exploration of packaged data", "names north high"),
    "customer_segments": _case("a long clustering analysis", "km profile inertia"),
    "house_prices_long": _case("a long regression analysis", "mae_lin mae_gbr best_name err worst"),
    "dead_cells": _case("dead, commented-out and empty cells", "lin coef", hidden="never-executed"),
    "one_giant_cell": _case("everything in one cell", "df w acc"),
    "no_headings_at_all": _case("no headings, never executed", "row_sum s rank"),
    "forty_tiny_cells": _case("forty cells of one line", "k m n o p q r e"),
    "long_list_of_values": _case("a list of 600 literals", "levels top rising"),
    "polars_lazy": _case("polars, lazy and eager", "daily hot wide"),
    "in_place_frame": _case("a frame changed in place over cells", "df totals open_amount"),
    "transformer_with_own_function": _case("own function inside a pipeline", "r2 y model"),
    "timed_training": _case("training timed with magics", "acc_knn acc_trees winner"),
    "diabetes_regression": _case("a regression and a report", "r2_ols r2_lasso kept report"),
    "digits_pca": _case("dimensions reduced, plots between", "explained centres closest"),
    "sensor_anomalies": _case("anomalies in a time series", "scored anomalies by_hour"),
    # Text, files, loops, simulation
    "harbour_words": _case("text processing", "counts avg longest shared_words"),
    "server_log_report": _case("a log parsed and counted", "levels worst_day medians slowest"),
    "orders_report": _case("JSON to tables and files", "customers top articles"),
    "text_similarity": _case("TF-IDF of sentences", "sim a b"),
    "inventory_simulation": _case("simulation of policies, generators of its own", "rows best least levels"),
    "visits_files_loop": _case("loop over files, tables written", "visits table growth"),
    "write_then_read": _case(
        "files written by one section, read by the next", "sold sold_again", hidden="file-between-cells"
    ),
    "monte_carlo_seeded": _case(
        "simulation with seeds of `random` and numpy", "pi_estimate path final share_positive", together="1-3"
    ),
    "monte_carlo_unseeded": _case(
        "simulation without a seed", "expected mean_total", chance="rng throws total freq mean_total", hidden="no-seed"
    ),
    "teaching_gradient_descent": _case("lesson, global seed", "w b curve"),
    "queue_simulation": _case("simulation with own classes", "waits mean_wait by_clerks enough"),
    "recursion_itertools": _case(
        "recursion over a global that grows", "d d2 pairs by_len", hidden="function-reads-changing-name"
    ),
    "decimal_context": _case("precision of decimals", "balance third"),
    # State between cells
    "counts_out_of_order_runs": _case(
        "executed out of order, right from the top", "report light", hidden="executed-out-of-order"
    ),
    "counts_out_of_order_changes": _case(
        "executed out of order and twice, other values from the top",
        "prices total dearest",
        hidden="executed-out-of-order",
    ),
    "globals_constant": _case("functions read constants", "dollars"),
    "globals_changing": _case(
        "a function reads a name that changes", "normal sale saved", hidden="function-reads-changing-name"
    ),
    "function_called_before_its_helper": _case(
        "functions above what they use", "a b", hidden="function-reads-changing-name"
    ),
    "mutating_arguments": _case("functions change their arguments", "values history"),
    "lists_and_dicts_grow": _case("lists, sets and dicts changed in place", "todo state seen first"),
    "aliases": _case("two names for one list", "base total", together="1-5", hidden="shared-object"),
    "numpy_views": _case("a view of an array is changed", "img total", together="2-3"),
    "loop_variable_leaks": _case("the variable of a loop used after it", "readings summary"),
    "function_redefined": _case("a function defined twice", "v1 v2", hidden="defined-twice"),
    "class_attribute_changes": _case("a class used as a settings object", "first second"),
    "mutable_default_and_attributes": _case("functions that remember", "one two room"),
    "monkey_patch": _case("a library's function replaced", "line short"),
    "sets_of_strings": _case("sets of strings", "common only_a ordered", chance="first"),
    "objects_printed": _case("objects with addresses printed", "names"),
    "builtin_names_shadowed": _case("`list`, `sum`, `max`, `str` as names", "sum max"),
    "illegal_artifact_names": _case("names that no artifact can have", "index"),
    # What cannot be stored
    "sqlite_across_cells": _case(
        "a connection over cells", "few plan stock", together="1-5", hidden="cannot-be-stored"
    ),
    "sqlite_file": _case("a database file", "rows by_page", together="1-4", hidden="cannot-be-stored"),
    "open_file_across_cells": _case(
        "an open file over cells", "header count worst", together="1-4", hidden="cannot-be-stored"
    ),
    "generators_and_iterators": _case("generators used up over cells", "head rest others c", together="2-3 4-5 6-7"),
    "lambdas_and_closures": _case("lambdas that read a changing name", "values later", together="1-5"),
    "closures_as_values": _case("closures in a dict", "values", together="1-3"),
    "thread_pool": _case("threads, futures and locks", "done counter"),
    # Language
    "classes_and_dataclasses": _case("own classes, instances used later", "bank balances"),
    "decorators_and_caching": _case("decorators and caches", "xs ys both"),
    "async_top_level": _case("await at top level", edit="`await` at top level"),
    "new_syntax": _case("match, walrus, star, annotations", "texts n note first middle last"),
    "star_imports": _case("star imports", "areas average"),
    "try_except_with": _case("try, with, fallback import", "good bad again ratio"),
    "global_statement_counter": _case("`global` in a function", "c", hidden="function-writes-name"),
    "eval_and_globals": _case("names made by `globals()`", edit="names that only `globals()` makes"),
    "main_guard": _case('`if __name__ == "__main__"`', "primes gaps"),
    "history_variables": _case("`_` and `Out`", edit="`_` and `Out[2]`", hidden="output-history"),
    "namen_mit_umlauten": _case("names and headings that are not English", "summe mittel"),
    # Magics, shell, widgets, display
    "magics_everywhere": _case("line and cell magics", edit="`%env` and `%time total = …`"),
    "shell_lines": _case("shell lines", "csvs n_lines"),
    "shell_capture": _case("output of a shell line used", edit="`names = !ls data/visits_*.csv`"),
    "shell_makes_folder": _case("a folder made by a shell line, then used", edit="`!mkdir -p {folder}`"),
    "writefile_and_import": _case("a module written and imported", "legs trip"),
    "run_other_script": _case("`%run`", edit="`%run setup_units.py`", hidden="name-from-magic"),
    "pip_dependencies": _case("`%pip install`", "dist nearest"),
    "widgets_slider": _case("a slider that draws", "energy chosen"),
    "widget_value_used": _case("the value of a widget is used", "payment paid", together="1-2"),
    "interact_decorator": _case("`@interact`", "table last"),
    "display_calls": _case("display, HTML, Markdown", "table wet"),
    "stderr_and_progress": _case("progress, warnings, stderr", "done ratio"),
    # The process and its surroundings
    "dates_and_uuid": _case(
        "time, identifiers", "total label clean", chance="run_id started t0 elapsed record", hidden="random-identifier"
    ),
    "environment_variables": _case("environment variables set", "level words", hidden="setting-of-process"),
    "pandas_options_matter": _case("options of pandas change text", "as_text n_chars longer"),
    "change_directory": _case("the working directory changes", "numbers here", together="1-3"),
    "subprocess_output": _case("a process and its output", "value more"),
    "multiprocessing_map": _case("a pool of processes", "answers best"),
    "logging_setup": _case("logging to stdout", "levels share"),
    "argparse_in_notebook": _case("argparse with an empty command line", "losses w"),
    "own_module_beside": _case("a module beside the notebook", "smooth peak"),
    # Tags and documents
    "papermill_parameters": _case("papermill's parameters", "data summary"),
    "papermill_injected": _case("papermill's injected parameters", "trace gap x"),
    "kale_tags": _case("Kale's tags", "clf acc"),
    "raw_cells_attachments_collapsed": _case("raw cells, attachments, collapsed cells", "middle"),
    "teaching_python_lists": _case("lesson, a cell that may raise", "fruits lengths total"),
    "raises_tagged": _case(
        "cells that may raise, one makes a name first", edit="a cell that raises after it has made `half`"
    ),
    # Do not run from top to bottom
    "used_above_definition": _case("a result above its inputs", fails="1 NameError", hidden="used-above-definition"),
    "name_of_a_deleted_cell": _case("a name of a deleted cell", fails="3 NameError", hidden="undefined-name"),
    "function_of_a_deleted_cell": _case("a function of a deleted cell", fails="2 NameError", hidden="undefined-name"),
    "column_made_out_of_order": _case("a column made further down", fails="2 KeyError", hidden="executed-out-of-order"),
    "deleted_by_del": _case("a name used after `del`", fails="4 NameError", hidden="undefined-name"),
    "raises_on_purpose": _case("a cell that raises", fails="2 ZeroDivisionError"),
    "stops_in_the_middle": _case("`sys.exit` in the middle", fails="2 SystemExit"),
    "syntax_error_cell": _case("a syntax error", fails="2 SyntaxError"),
    "python2_print": _case("Python 2", fails="2 SyntaxError"),
    "r_kernel": _case("a notebook in R", fails="the language"),
    "needs_keyboard": _case("asks for input", fails="1 StdinNotImplementedError", hidden="asks-for-input"),
    "missing_file": _case("a file that is not there", fails="2 FileNotFoundError"),
    "missing_package": _case("a package that is not installed", fails="1 ModuleNotFoundError"),
    "colab_drive": _case("Colab's drive", fails="1 ModuleNotFoundError"),
    "downloads_from_web": _case("a download that fails", fails="2 URLError", hidden="network"),
    "unknown_cell_magic": _case("a cell magic that is not there", fails="3 NameError", hidden="name-from-magic"),
}

SHELL = "subprocess.run({}, shell=True, capture_output=True, text=True).stdout.splitlines()"
EDITS: dict[str, tuple[tuple[str, str], ...]] = {
    "async_top_level": (
        (
            'results = await asyncio.gather(fetch("one", 0.01), fetch("three", 0.02))',
            "from concurrent.futures import ThreadPoolExecutor\n\nasync def main():\n"
            '    return await asyncio.gather(fetch("one", 0.01), fetch("three", 0.02))\n\n'
            "results = ThreadPoolExecutor().submit(asyncio.run, main()).result()",
        ),
    ),
    "eval_and_globals": (
        ("for i, c", "w = {}\nfor i, c"),
        ('globals()[f"w_{c}"]', "w[c]"),
        ("w_alpha + w_beta", 'w["alpha"] + w["beta"]'),
        (
            "eval(\"[c for c in columns if globals()['w_' + c] > threshold]\")",
            "[c for c in columns if w[c] > threshold]",
        ),
    ),
    "history_variables": (("17 * 3", "z = 17 * 3\nz"), ("_ + 1", "z + 1"), ("Out[2]", "x")),
    "magics_everywhere": (
        ("%env DEMO_LEVEL=2", 'import os\nos.environ["DEMO_LEVEL"] = "2"'),
        ("%time total = ", "total = "),
    ),
    "raises_tagged": (
        ('text = half + "!"', 'try:\n    text = half + "!"\nexcept TypeError as error:\n    print(error)'),
    ),
    "run_other_script": (("%run setup_units.py", "from setup_units import FOOT"),),
    "shell_capture": (
        ("names = !ls data/visits_*.csv", f"import subprocess\nnames = {SHELL.format(repr('ls data/visits_*.csv'))}"),
    ),
    "shell_makes_folder": (("!mkdir -p {folder}", "import os\nos.makedirs(folder, exist_ok=True)"),),
}
"""The edit after which each notebook that runs and is refused converts: texts of cells and what replaces them."""
