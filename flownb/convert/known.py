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
    "words",
]


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Methods that change the object they are called on: of containers, numpy, pandas, estimators, torch, queues, files,
# connections, and generators of numbers.
CHANGING = words(
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
LOOKING = words(
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
    savefig imshow glimpse collect schema debug warning error exception critical log setLevel addHandler
    """
)
# Methods and attributes whose value shares memory, or objects, with what they are called on.
VIEWS = words(
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

# Functions that set something for the whole process, called on a module or imported from it.
SETTINGS = words(
    """
    addHandler addLevelName basicConfig chdir disable disable_max_rows enable filterwarnings init_notebook_mode
    load_dotenv option_context pandas rc rcdefaults register reset_option set set_config set_context
    set_default_dtype set_float32_matmul_precision set_loglevel set_matplotlib_formats set_option set_palette
    set_printoptions set_style set_theme set_verbosity set_verbosity_error setLevel setdefault setlocale
    setrecursionlimit setup_logging simplefilter use set_num_threads set_grid_custom set_default_device
    register_matplotlib_converters
    """
)
# What is called on `sys.path`, `plt.rcParams` and `os.environ`, by the attribute before the call.
SETTING_OBJECTS = frozenset({"environ", "options", "path", "rcParams", "templates"})
# Functions whose value is as good as a constant, if their arguments are.
CONSTANT_CALLS = words(
    """
    Decimal Fraction Lock Path PurePath RLock TypeVar abspath bool compile cpu_count date datetime device dict
    dirname expanduser float format frozenset get getLogger getcwd getenv home int is_available join joinpath
    len list lower max min namedtuple partial range replace resolve round set sorted split str strftime strip
    sum timedelta timezone tuple upper vectorize
    """
)
# Modules that draw, by the first part of their name.
PLOTTING = words("altair bokeh geopandas graphviz holoviews hvplot matplotlib plotly plotnine pylab seaborn wordcloud")
# Builtins and functions of IPython that only look at their arguments.
LOOKING_FUNCTIONS = words(
    """
    Audio HTML IFrame Image JSON Latex Markdown SVG Video abs all any bool callable dict dir display enumerate filter
    float format frozenset getattr hasattr help hex id int isinstance issubclass len list map max min ord range repr
    reversed round set slice sorted str sum tuple type vars zip
    """
)
# Methods and functions that write files, print, or send something.
SAVING = words(
    """
    copyfile dump export exec_module imsave makedirs mkdir print pprint save save_model savefig savemat savetxt savez
    to_clipboard to_csv to_excel to_feather to_file to_gbq to_hdf to_html to_image to_json to_parquet to_pickle to_sql
    to_stata to_xml unlink write write_bytes write_html write_image write_text
    """
)
# Functions that make what cannot be stored: files, connections, locks, processes, generators, figures.
UNSTORABLE = words(
    """
    Lock RLock Condition Event Popen Pool ProcessPoolExecutor Semaphore Thread ThreadPoolExecutor add_subplot axes
    connect create_engine cursor figure finditer gca gcf glob iglob iter iterdir iterrows itertuples open rglob scandir
    socket sqlite3 subplot subplots subplot_mosaic twinx urlopen walk
    """
)
# Functions that seed a generator of the whole process, by the end of their dotted name, and the generators.
SEEDS: dict[str, tuple[str, ...]] = {
    "random.seed": ("numpy", "random"),
    "manual_seed": ("torch",),
    "manual_seed_all": ("torch",),
    "set_seed": ("tensorflow", "numpy", "random", "torch"),
    "set_random_seed": ("tensorflow", "numpy", "random"),
    "seed_everything": ("torch", "numpy", "random"),
}
# Classes and functions of scikit-learn, pandas and scipy that use numpy's generator unless they get another one.
RANDOM = words(
    """
    AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor BayesianGaussianMixture
    DecisionTreeClassifier DecisionTreeRegressor ExtraTreesClassifier ExtraTreesRegressor FastICA GaussianMixture
    GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier HistGradientBoostingRegressor
    IsolationForest KMeans LatentDirichletAllocation LinearSVC MLPClassifier MLPRegressor MiniBatchKMeans NMF
    Perceptron RandomForestClassifier RandomForestRegressor RandomizedSearchCV SGDClassifier SGDRegressor ShuffleSplit
    StratifiedShuffleSplit TSNE TruncatedSVD UMAP make_blobs make_circles make_classification make_friedman1
    make_moons make_regression permutation_importance resample rvs sample train_test_split
    """
)
