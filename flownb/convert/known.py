"""What methods and functions of common libraries do to their objects, by name.

A name says the same for all types that have it: ``append`` changes a list, and no class that people use has an
``append`` that changes nothing, except pandas' old one, whose value is then assigned and whose object is captured
once too often.
"""

from __future__ import annotations

__all__ = [
    "ARGUMENT_CHANGERS",
    "CHANGING",
    "CHANGING_PREFIXES",
    "COPYING",
    "GENERATORS",
    "ITERATING",
    "LOOKING",
    "VIEWS",
]


def _words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Methods that change the object they are called on: of containers, numpy, pandas, estimators, torch, queues, files,
# connections, and generators of numbers.
CHANGING = _words(
    """
    append extend insert remove pop clear sort reverse update setdefault popitem add discard appendleft popleft
    rotate extendleft difference_update intersection_update symmetric_difference_update subtract move_to_end
    fill itemset partition resize setflags put
    insert
    fit fit_transform fit_predict partial_fit set_params compile train eval add_module build
    backward step zero_grad load_state_dict requires_grad_ to cuda
    put get_nowait put_nowait send close write writelines writerow writerows read readline readlines seek flush
    execute executemany commit rollback shuffle seed
    """
)
# Beginnings of names of methods that change their object, in any library.
CHANGING_PREFIXES = ("set_", "add_", "append_", "remove_", "register_", "insert_", "push", "enqueue", "fit_", "load_")
# Methods after which the object is as it was, although their value may be thrown away.
LOOKING = _words(
    """
    abs agg aggregate all any apply applymap asfreq assign astype value_counts boxplot bar barh copy corr count cov
    cummax cummin cumprod cumsum describe diff display drop drop_duplicates dropna dtypes duplicated equals ewm
    expanding explode fillna filter first get get_group groupby head hist idxmax idxmin iloc info interpolate isin
    isna isnull items iterrows join keys kde kurt last line loc map max mean median melt memory_usage merge min mode
    nlargest notna nsmallest nunique pct_change pie pipe pivot pivot_table plot print quantile query rank reindex
    rename replace resample reset_index rolling round sample scatter select_dtypes sem set_index shape shift show
    skew sort_index sort_values squeeze stack std style sum summary swaplevel tail to_csv to_dict to_excel to_feather
    to_html to_json to_latex to_list to_markdown to_numpy to_parquet to_pickle to_records to_sql to_string transform
    transpose unique unstack values var where xs
    predict predict_proba predict_log_proba decision_function score get_params get_feature_names_out
    index split strip lower upper format startswith endswith encode decode item tolist reshape ravel flatten dot
    savefig imshow glimpse collect schema
    """
)
# Methods and attributes whose value shares memory, or objects, with what they are called on.
VIEWS = _words(
    """
    T reshape view ravel squeeze transpose swapaxes diagonal values items keys get setdefault iterrows itertuples
    parameters named_parameters children modules to cuda cpu detach train eval fit set_params append
    """
)
# Functions whose value every use changes, as it hands out the next number or item.
GENERATORS = frozenset({"default_rng", "RandomState", "Random", "Generator", "iter", "count", "cycle"})
# Classes that copy what they are made of.
COPYING = frozenset({"Counter", "DataFrame", "Decimal", "OrderedDict", "Path", "Series"})
# Functions whose value hands out the items of their arguments.
ITERATING = frozenset({"cycle", "enumerate", "filter", "iter", "map", "reversed", "zip"})
# Functions and methods that change their arguments, with the positions of these.
ARGUMENT_CHANGERS: dict[str, tuple[int, ...]] = {
    "shuffle": (0,),
    "heapify": (0,),
    "heappush": (0,),
    "heappop": (0,),
    "heappushpop": (0,),
    "heapreplace": (0,),
    "insort": (0,),
    "insort_left": (0,),
    "insort_right": (0,),
    "setattr": (0,),
    "delattr": (0,),
    "setitem": (0,),
    "delitem": (0,),
    "next": (0,),
    "fill_diagonal": (0,),
    "put": (0,),
    "place": (0,),
    "copyto": (0,),
    "put_along_axis": (0,),
    "putmask": (0,),
    "dump": (1,),
    "clip_grad_norm_": (0,),
    "normal_": (0,),
    "uniform_": (0,),
    "xavier_uniform_": (0,),
    "kaiming_normal_": (0,),
}
