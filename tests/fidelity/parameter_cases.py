"""Notebooks whose runs are started with parameters, configs and files: the cases of `test_parameters`.

Holds cases that must be equal on both sides, and those that both must refuse. Each says how Metaflow is started; the
notebook's run takes the same options.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EQUAL", "FILES", "REFUSED", "ParameterCase"]

JSON = {
    "a": {"b": 3, "list": [1, {"x": 2}]},
    "mem": 512,
    "opts": {"default": 5, "help": "h"},
    "env": {"X": 1},
    "n": None,
}
FILES = {
    "cfg.json": json.dumps(JSON).encode(),
    "prod.json": json.dumps({**JSON, "mem": 9, "a": {"b": 4.5, "list": [{}, {"x": 5}]}}).encode(),
    "cfg.toml": b'[a]\nb = 4\nwhen = "2020-01-01"\n',
    "cfg.yaml": b"a:\n  b: 9\n  c: [1, 2]\n",
    "text.txt": "größer\r\nworld".encode(),
    "raw.bin": b"\xff\x00\x01",
    "broken.json": b"{",
    "list.json": b"[1]",
}
CFG = "%%flow F\ncfg = Config('cfg', default='cfg.json')\n"
LOOK = "%%step look -> seen\nseen = [self.cfg, self.cfg.a.b, type(self.cfg).__name__]"


@dataclass(frozen=True)
class ParameterCase:
    """A notebook, and how its run is started on both sides.

    `configs` are the options that Metaflow takes before ``run``, `parameters` those it takes after it.
    """

    name: str
    cells: tuple[str, ...]
    configs: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


ALL_CONFIGS = """%%flow Configs
cfg = Config("cfg", default="cfg.json", required=True)
toml = Config("toml-file", default="cfg.toml", parser="tomllib.loads")
yaml = Config("yaml", default="cfg.yaml", parser="yaml.safe_load")
upper = Config("upper", default_value="abc", parser=lambda text: {"text": text.upper()})
shared = Config("shared", default_value="a=1;b=2", parser=pairs)
plain = Config("plain", default_value={"z": [1]}, plain=True)
text = Config("text", default_value="raw text", plain=True)
listed = Config("listed", default="list.json", plain=True, parser="json.loads")
nothing = Config("nothing")
null = Config("null", default_value="null")
nested = Config("nested", default_value={"k": {"l": [{"m": 1}, (1, 2)]}})
computed = Config("computed", default_value=lambda context: {"for": context.parameter_name, "no": context.configs})
named = Config("named", default=lambda context: "cfg.json")
p1 = Parameter("p1", default=cfg.a.b)
p2 = Parameter("p2", default=config_expr("cfg.a.b * 2.5 + len(upper.text) + BASE"))
p3 = Parameter("p3", **cfg.opts)
p4 = Parameter("p4", default=cfg.a, type=JSONType)
p5 = Parameter("p5", default=cfg["a"])
p6 = Parameter("p6", default=cfg.a["list"])
p7 = Parameter("p7", default=cfg.n)
p8 = Parameter("p8", default=lambda c: f"{c.flow_name} {c.user_name} {c.parameter_name} {c.ds_type} {c.configs.cfg}")
p9 = Parameter("p9", default=7, **cfg.opts)
SIZE = 3
limit = SIZE * 2
"""
SHARED = """%%shared
import copy
import json
import os

BASE = 100

def pairs(text):
    return dict(pair.split("=") for pair in text.split(";"))
"""
CONFIG_STEPS = (
    """%%step first -> seen, kinds, sub, refused
names = "cfg toml yaml upper shared plain text listed nothing null nested computed named".split()
names += [f"p{number}" for number in range(1, 10)]
values = {name: getattr(self, name) for name in names}
seen = [json.dumps(self.nested), repr(self.cfg), str(self.cfg), dict(self.cfg), {**self.cfg.env}, [*self.cfg.items()]]
seen += [self.cfg.get("zz", 3), "a" in self.cfg, len(self.cfg), self.cfg == self.cfg.to_dict(), self.cfg.a.list[1].x]
seen += [repr(self.cfg.items()), repr(self.cfg.keys()), type(self.cfg.values()).__name__]
seen += [sorted(self.cfg), self.cfg.to_dict(), self.cfg | {"q": 1}, isinstance(self.cfg, dict), self.SIZE, self.limit]
match self.cfg:
    case {"a": {"b": b}}:
        seen.append(b)
kinds = {name: type(value).__name__ for name, value in values.items()}
copies = copy.copy(self.cfg), copy.deepcopy(self.cfg), self.cfg.copy(), self.cfg.a
kinds["copies"] = [type(one).__name__ for one in copies]
kinds["same"] = all(value is getattr(self, name) for name, value in values.items())
sub = [self.cfg.a, self.nested]
refused = []
for attempt in (
    "cfg['a'] = 1", "cfg.a = 1", "cfg.update(a=1)", "del cfg['a']", "del cfg.a", "cfg.clear()", "cfg.pop('a')",
    "cfg.popitem()", "cfg.setdefault('q')", "reversed(cfg)", "cfg.zz", "cfg['zz']", "hash(cfg)",
):
    try:
        exec(attempt, {"cfg": self.cfg})
    except Exception as error:
        refused.append((type(error).__name__, str(error)))
    else:
        refused.append((attempt, "passed"))
self.listed.append(2)
self.p6.append(3)
changed = self.listed, self.p6""",
    "%%step second -> after\nafter = [self.listed, self.p6, self.sub[0].b, self.cfg]",
)
TYPES = """%%flow Types
a = Parameter("a", default=1)
b = Parameter("b", default=False)
f = Parameter("f", default=1.5)
j = Parameter("j", type=JSONType, default='{"q": 1}')
k = Parameter("k", type=JSONType, default={"a": [1]})
s = Parameter("s", default="x,y", separator=",")
t = Parameter("t", separator=",")
dash = Parameter("dash-name")
number = Parameter("number", type=int)
needed = Parameter("needed", required=True, default=3)
text3 = Parameter("text3", default=3, type=str)
float1 = Parameter("float1", default=1, type=float)
yes = Parameter("yes", default="yes", type=bool)
list_ = Parameter("list_", default=[1, 2])
dict_ = Parameter("dict_", default={"k": 1})
tuple_ = Parameter("tuple_", default=(1, 2))
five = Parameter("five", default="5", type=int)
empty = Parameter("empty", default="", separator=",")
seven = Parameter("seven", type=int, default=lambda context: 7)
no = Parameter("no", type=bool, default=lambda context: False)
json_text = Parameter("json-text", type=JSONType, default=lambda context: "[1]")
deploy = Parameter("deploy", default=lambda context, deploy_time: str(deploy_time))
never = Parameter("never", default=lambda context: 1 / 0)
"""
GIVEN = (
    "--a",
    " 1_0 ",
    "--b",
    "YES",
    "--f",
    "3",
    "--j",
    "[1]",
    "--s",
    "",
    "--t",
    "q",
    "--dash-name",
    "v",
    "--never",
    "n",
)
INCLUDED = """%%flow Included
paths = Config("paths", default_value={"text": "text.txt"})
text = IncludeFile("text", default="text.txt")
raw = IncludeFile("raw", default="raw.bin", is_text=False)
words = IncludeFile("words", default="text.txt", parser=lambda text: text.split())
dotted = IncludeFile("dotted", default="cfg.json", parser="json.loads")
latin = IncludeFile("latin", default="raw.bin", encoding="latin-1")
nothing = IncludeFile("nothing")
computed = IncludeFile("computed", default=lambda context: "text.txt", required=True)
other = IncludeFile("other", default="missing.txt")
configured = IncludeFile("configured", default=paths.text)
"""
INCLUDED_STEPS = (
    "%%step first -> seen, again\nself.words.append(1)\n"
    "seen = [self.text, self.raw, self.words, self.dotted, self.latin, self.nothing, self.computed, self.other]\n"
    "again = self.words is self.words",
    "%%step second -> later\nlater = [self.words, self.dotted, self.configured]",
)
NULLS = """%%flow Nulls
a = Parameter("a", type=JSONType, default='{"q": 1}')
b = Parameter("b", type=JSONType, default=lambda context: "[2]")
none = Parameter("none", type=JSONType)
null = Parameter("null", type=JSONType, default="null")
text = Parameter("text", default="x")
"""
DECORATED = """%%flow Decorated
RETRY = {"times": 2, "minutes_between_retries": 0}
cfg = Config("cfg", default_value={"retry": RETRY, "env": {"A": "b", "B": 3}, "n": 5})
"""
EQUAL = [
    ParameterCase("configs by default", (ALL_CONFIGS, SHARED, *CONFIG_STEPS)),
    ParameterCase(
        "configs by option",
        (ALL_CONFIGS, SHARED, *CONFIG_STEPS),
        (
            *("--config", "cfg", "prod.json", "--config-value", "upper", "x y", "--config-value", "plain", "[1]"),
            *("--config-value", "nothing", '{"now": 1}', "--config-value", "toml-file", "c = 1"),
        ),
        ("--p1", "8"),
    ),
    ParameterCase(
        "configs by environment",
        (ALL_CONFIGS, SHARED, *CONFIG_STEPS),
        environment={
            "METAFLOW_FLOW_CONFIG": '{"cfg": "prod.json"}',
            "METAFLOW_FLOW_CONFIG_VALUE": '{"nested": {"e": 1}, "text": "t"}',
            "METAFLOW_RUN_P1": "5",
        },
    ),
    ParameterCase(
        "an option hides its whole environment variable",
        (ALL_CONFIGS, SHARED, *CONFIG_STEPS),
        ("--config", "cfg", "prod.json"),
        ("--p1", "6"),
        {
            "METAFLOW_FLOW_CONFIG": '{"cfg": "missing.json", "nested": "missing.json"}',
            "METAFLOW_FLOW_CONFIG_VALUE": '{"nested": {"e": 1}}',
            "METAFLOW_RUN_P1": "5",
            "METAFLOW_RUN_P7": "env",
        },
    ),
    ParameterCase("types by default", (TYPES.replace("never =", "# never ="), "%%step first -> x\nx = 1")),
    ParameterCase("types of texts", (TYPES, "%%step first -> x\nx = [type(self.list_).__name__]"), parameters=GIVEN),
    ParameterCase(
        "types of the environment",
        (TYPES, "%%step first -> x\nx = 1"),
        parameters=("--a", "8", "--never", "x"),
        environment={
            "METAFLOW_RUN_A": "7",
            "METAFLOW_RUN_DASH_NAME": "dd",
            "METAFLOW_RUN_T": "",
            "METAFLOW_RUN_F": "2",
        },
    ),
    ParameterCase(
        "null is no value",
        (NULLS, "%%step first -> x\nx = [self.a, self.b]"),
        parameters=("--a", "null", "--none", "null", "--text", "null"),
        environment={"METAFLOW_RUN_A": "[1]", "METAFLOW_RUN_B": "null"},
    ),
    ParameterCase("included files", (INCLUDED, *INCLUDED_STEPS), parameters=("--other", "text.txt")),
    ParameterCase(
        "included files by environment",
        (INCLUDED, *INCLUDED_STEPS),
        parameters=("--text", "cfg.toml"),
        environment={"METAFLOW_RUN_OTHER": "cfg.yaml"},
    ),
    ParameterCase(
        "decorators",
        (
            DECORATED,
            "%%shared\nimport os\nfrom metaflow import current",
            "%%step first -> seen\n@retry(**cfg.retry)\n@environment(vars=cfg.env)\n@resources(memory=cfg.n)\n"
            'if current.retry_count < 2:\n    raise ValueError\nseen = [os.environ["A"], os.environ["B"]]',
            "%%step second -> more\n@environment(vars={'Q': config_expr('cfg.env.A.upper()'), 'B': cfg.env.B})\n"
            'more = [os.environ["Q"], os.environ["B"]]',
        ),
    ),
    ParameterCase(
        "decorators of a chosen config",
        (
            DECORATED,
            "%%shared\nimport os",
            "%%step first -> xs\nxs = [1, 2]",
            "%%step each --foreach xs -> seen\n@environment(**cfg['env2'])\nseen = [os.environ['A'], self.input]",
            "%%step join --join -> all, mine\nall = [one.seen for one in inputs]\nmine = [inputs[0].cfg, self.cfg.n]\n"
            "self.merge_artifacts(inputs, include=['xs'])",
        ),
        ("--config-value", "cfg", '{"env2": {"vars": {"A": "chosen"}}, "n": 1}'),
    ),
]
REFUSED = [
    ParameterCase("unknown config", (CFG, LOOK), ("--config", "cgf", "cfg.json")),
    ParameterCase("file that is not there", ("%%flow F\ncfg = Config('cfg', default='nope.json')", LOOK)),
    ParameterCase("given file", ("%%flow F\ncfg = Config('cfg')", LOOK), ("--config", "cfg", "nope.json")),
    ParameterCase("folder", ("%%flow F\ncfg = Config('cfg', default='.')", LOOK)),
    ParameterCase("home is not looked up", ("%%flow F\ncfg = Config('cfg', default='~/cfg.json')", LOOK)),
    ParameterCase("invalid JSON", ("%%flow F\ncfg = Config('cfg', default='broken.json')", LOOK)),
    ParameterCase("invalid value", ("%%flow F\ncfg = Config('cfg')", LOOK), ("--config-value", "cfg", "{x")),
    ParameterCase("invalid TOML", ("%%flow F\ncfg = Config('cfg', default='text.txt', parser='tomllib.loads')", LOOK)),
    ParameterCase("no table", ("%%flow F\ncfg = Config('cfg', default='list.json')", LOOK)),
    ParameterCase(
        "parser gives no table", ("%%flow F\ncfg = Config('cfg', default='cfg.json', parser=lambda t: [t])", LOOK)
    ),
    ParameterCase(
        "parser's module", ("%%flow F\ncfg = Config('cfg', default='cfg.json', parser='no_such.parse')", LOOK)
    ),
    ParameterCase("parser's name", ("%%flow F\ncfg = Config('cfg', default='cfg.json', parser='tomllib.parse')", LOOK)),
    ParameterCase(
        "date", ("%%flow F\ncfg = Config('cfg', default_value='a = 2020-01-01', parser='tomllib.loads')", LOOK)
    ),
    ParameterCase("missing config", ("%%flow F\ncfg = Config('cfg', required=True)", LOOK)),
    ParameterCase(
        "file and value",
        ("%%flow F\ncfg = Config('cfg')", LOOK),
        ("--config", "cfg", "cfg.json", "--config-value", "cfg", "{}"),
    ),
    ParameterCase("both defaults", ("%%flow F\ncfg = Config('cfg', default='cfg.json', default_value={})", LOOK)),
    ParameterCase("one name twice", (CFG + "c = Config('cfg')", LOOK)),
    ParameterCase("no such key", (CFG + "p = Parameter('p', default=cfg.zz)", LOOK)),
    ParameterCase("no such name", (CFG + "p = Parameter('p', default=config_expr('c.a'))", LOOK)),
    ParameterCase("key that is no name", (CFG + "p = Parameter('p', default=cfg['a b'])", LOOK)),
    ParameterCase("constant", (CFG + "m = cfg.mem", LOOK)),
    ParameterCase("config of a config", (CFG + "c = Config('c', default=cfg.a)", LOOK)),
    ParameterCase("decorator's key", (CFG, "%%step s\n@retry(times=cfg.zz)")),
    ParameterCase(
        "flow decorator's key", (CFG.replace("F\n", "F\n@project(name=config_expr('cfg.zz'))\n"), "%%step s")
    ),
    ParameterCase("two parameters", ("%%flow F\na = Parameter('a')\nb = Parameter('A')", "%%step s")),
    ParameterCase("reserved parameter", ("%%flow F\na = Parameter('run-id')", "%%step s")),
    ParameterCase("unknown option", ("%%flow F\na = Parameter('a', default=1, foo=2)", "%%step s")),
    ParameterCase("separator of a number", ("%%flow F\na = Parameter('a', default=1, separator=',')", "%%step s")),
    ParameterCase(
        "no whole number", ("%%flow F\na = Parameter('a', default=1)", "%%step s"), parameters=("--a", "1.0")
    ),
    ParameterCase(
        "no truth value", ("%%flow F\na = Parameter('a', default=True)", "%%step s"), parameters=("--a", "on")
    ),
    ParameterCase(
        "empty truth value",
        ("%%flow F\na = Parameter('a', default=True)", "%%step s"),
        environment={"METAFLOW_RUN_A": ""},
    ),
    ParameterCase(
        "dictionary as text", ("%%flow F\na = Parameter('a', default={})", "%%step s"), parameters=("--a", "{}")
    ),
    ParameterCase("missing parameter", ("%%flow F\na = Parameter('a', required=True)", "%%step s")),
    ParameterCase(
        "missing JSON",
        ("%%flow F\na = Parameter('a', type=JSONType, required=True)", "%%step s"),
        parameters=("--a", "null"),
    ),
    ParameterCase("unknown parameter", ("%%flow F\na = Parameter('a')", "%%step s"), parameters=("--b", "1")),
    ParameterCase("computed type", ("%%flow F\na = Parameter('a', type=int, default=lambda c: '7')", "%%step s")),
    ParameterCase("computed None", ("%%flow F\na = Parameter('a', default=lambda c: None)", "%%step s")),
    ParameterCase("computed error", ("%%flow F\na = Parameter('a', default=lambda c: 1 / 0)", "%%step s")),
    ParameterCase("missing include", ("%%flow F\na = IncludeFile('a', default='nope.txt')", "%%step s")),
    ParameterCase("required include", ("%%flow F\na = IncludeFile('a', required=True)", "%%step s")),
    ParameterCase("include of a folder", ("%%flow F\na = IncludeFile('a', default='.')", "%%step s")),
    ParameterCase("include of a bucket", ("%%flow F\na = IncludeFile('a', default='s3://b/k')", "%%step s")),
]
