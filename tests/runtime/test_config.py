"""Configs: where their values come from, and what can be done with them before and while steps run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flownb.errors import ParameterError
from flownb.runtime.parameters.config import Config, ConfigParameter, choose_configs, plain_configs, resolved_parameters
from flownb.runtime.parameters.config_expr import ConfigExpression, config_expr, resolve, resolve_settings
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.parameter import Parameter, ParameterContext, RunInputs

CONTEXT = ParameterContext("F", "tester", "")
SEEN = {"cfg": ConfigValue({"a": {"b": 3}, "opts": {"times": 2}, "which": "a"}), "plain": [1, 2]}
DOUBLE = 2


def declared(*configs: Config) -> list[ConfigParameter]:
    """What configs of a class body declare."""
    return [config._declared for config in configs]


def chosen(config: Config, *, complete: bool = True, **inputs: Any) -> Any:
    """The value of one config in a run with these inputs."""
    return choose_configs(declared(config), RunInputs(**inputs), CONTEXT, complete=complete)[config.name]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with configs, entered."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"cfg.json": '{"a": 1}', "prod.json": '{"a": 2}', "cfg.toml": "a = 3"}.items():
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize(
    ("config", "inputs", "expected"),
    [
        (Config("cfg", default="cfg.json"), {}, {"a": 1}),
        (Config("cfg", default="cfg.json"), {"files": {"cfg": "prod.json"}}, {"a": 2}),
        (Config("cfg", default="cfg.json"), {"values": {"cfg": '{"a": 4}'}}, {"a": 4}),
        (Config("cfg"), {"environment": {"METAFLOW_FLOW_CONFIG": '{"cfg": "prod.json"}'}}, {"a": 2}),
        (Config("cfg"), {"environment": {"METAFLOW_FLOW_CONFIG_VALUE": '{"cfg": {"a": 5}}'}}, {"a": 5}),
        (
            Config("cfg"),
            {"files": {"cfg": "cfg.json"}, "environment": {"METAFLOW_FLOW_CONFIG": "not looked at"}},
            {"a": 1},
        ),
        (Config("cfg", default="cfg.toml", parser="tomllib.loads"), {}, {"a": 3}),
        (Config("cfg", default="cfg.toml", parser=str.upper, plain=True), {}, "A = 3"),
        (Config("cfg", default_value={"a": {"b": (1,)}}), {}, {"a": {"b": [1]}}),
        (Config("cfg", default_value={"a": 1}, plain=True), {}, '{"a": 1}'),
        (Config("cfg", default=lambda context: f"{context.parameter_name}.json"), {}, {"a": 1}),
        (Config("cfg", default_value=lambda context: {"user": context.user_name}), {}, {"user": "tester"}),
        (Config("cfg"), {}, None),
        (Config("cfg", default_value="null"), {}, None),
        (Config("cfg", default="cfg.json", required=True), {}, {"a": 1}),
    ],
)
def test_where_a_value_comes_from(config: Config, inputs: dict[str, Any], expected: object) -> None:
    """An option counts, then the environment, then the default; texts are JSON unless there is a parser."""
    assert chosen(config, **inputs) == expected


def test_paths_start_where_they_are_said(tmp_path: Path) -> None:
    """A file that the user names is looked for where the command was given, a default in the notebook's folder."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "cfg.json").write_text('{"a": "sub"}')
    config = Config("cfg", default="cfg.json")
    assert chosen(config, files={"cfg": "cfg.json"}, folder=tmp_path / "sub") == {"a": "sub"}
    assert chosen(config, folder=tmp_path / "sub") == {"a": 1}


def test_an_options_home_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` in an option is what a shell makes of it, also in a magic; in a default it is a name, as on Metaflow."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert chosen(Config("cfg"), files={"cfg": "~/prod.json"}) == {"a": 2}
    with pytest.raises(ParameterError, match=r"`~/cfg\.json` cannot be read"):
        chosen(Config("cfg", default="~/cfg.json"))


def test_a_required_config_may_wait() -> None:
    """Where steps run alone, a required config without a value is left out; its readers must be given too."""
    (config,) = declared(Config("cfg", required=True))
    assert choose_configs([config], RunInputs(), CONTEXT, complete=False) == {}
    found = resolved_parameters({"cfg": config, "p": Parameter("p", default=Config("cfg").a, type=int)}, {})
    assert (found["p"].required, found["p"].has_default) == (True, False)


@pytest.mark.parametrize(
    ("config", "inputs", "message"),
    [
        (Config("cfg"), {"files": {"cgf": "x"}}, "Flow F has no config `cgf`. Did you mean `cfg`? It has `cfg`."),
        (Config("cfg"), {"environment": {"METAFLOW_FLOW_CONFIG": "{"}}, "METAFLOW_FLOW_CONFIG cannot be read."),
        (Config("cfg"), {"files": {"cfg": "no.json"}}, "the file `no.json` cannot be read. No such file or directory."),
        (Config("cfg"), {"files": {"cfg": "cfg.json"}, "values": {"cfg": "{}"}}, "is given a file and a value."),
        (Config("cfg", default="cfg.toml"), {}, "Config `cfg` is not valid JSON. Expecting value: line 1"),
        (Config("cfg", default_value="[1]"), {}, "is not a table of names and values. Its value is a list: [1]."),
        (Config("cfg", default_value=3), {}, "Config `cfg` cannot be 3."),
        (Config("cfg", default="cfg.toml", parser="json.loads"), {}, "Its parser json.loads raised JSONDecodeError"),
        (Config("cfg", default="cfg.toml", parser="json.lods"), {}, "`json` has no function `lods`."),
        (Config("cfg", default="cfg.toml", parser="loads"), {}, "A parser's name has a module in front."),
        (Config("cfg", default="cfg.toml", parser="no_such.loads"), {}, "ModuleNotFoundError: No module named"),
        (Config("cfg", default="cfg.toml", parser=set, plain=True), {}, "has a value that JSON cannot hold."),
        (Config("cfg", required=True), {}, "Config `cfg` has no value. It is required and has no default."),
    ],
)
def test_what_is_refused(config: Config, inputs: dict[str, Any], message: str) -> None:
    """A config that has no usable value stops a run before it starts, with what, why and what to do."""
    with pytest.raises(ParameterError) as caught:
        chosen(config, **inputs)
    assert message in str(caught.value)
    assert caught.value.fix


def test_a_wrong_file_is_named() -> None:
    """An error in a file's text says which file."""
    with pytest.raises(ParameterError) as caught:
        chosen(Config("cfg", default="cfg.toml"))
    assert caught.value.__notes__ == ["The text is that of cfg.toml."]


def test_wrong_declarations() -> None:
    """Two defaults, and a config made of another one, are refused where they are written."""
    with pytest.raises(ParameterError, match="a default and a default_value"):
        Config("cfg", default="a", default_value="b")
    with pytest.raises(ParameterError, match="with the value of another config"):
        Config("cfg", default=Config("other").path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Config("cfg").a.b, 3),
        (Config("cfg")["a"]["b"], 3),
        (Config("cfg").a, {"b": 3}),
        (Config("cfg")[Config("cfg").which].b, 3),
        (config_expr("cfg.a.b * DOUBLE"), 6),
        (config_expr("cfg").a["b"], 3),
        (Config("cfg").get("a"), {"b": 3}),
        ({"x": [Config("cfg").a.b, (1,)], "y": config_expr("plain[1]")}, {"x": [3, (1,)], "y": 2}),
    ],
)
def test_expressions_have_values_later(given: object, expected: object) -> None:
    """What a class body makes of a config gets its value when the configs are known, tables as plain dictionaries."""
    found = resolve(given, SEEN)
    assert (found, type(found)) == (expected, type(expected))


def test_unpacking() -> None:
    """``**cfg.opts`` passes what the table holds, beside other arguments."""

    def settings(**given: Any) -> dict[str, Any]:
        return resolve_settings(given, SEEN)

    assert settings(var=Config("cfg").a.b, **Config("cfg").opts) == {"times": 2, "var": 3}
    with pytest.raises(ParameterError, match="only a table of names and values can be unpacked"):
        settings(**Config("cfg").which)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Config("cfg").zz, "`cfg.zz` has no value: there is no `zz`."),
        (lambda: Config("cfg").a.c, "The configs have `a`, `b`, `opts`, `times`, `which`."),
        (lambda: config_expr("cgf.a"), "there is no `cgf`. Did you mean `cfg`?"),
        (lambda: config_expr("cfg.a.b / 0"), "It raised ZeroDivisionError: division by zero."),
        (lambda: Config("cfg")["a b"], "Write config_expr(\"cfg['a b']\")."),
        (lambda: Config("plain")[0], "0 is not a name."),
    ],
)
def test_expressions_without_a_value(make: Callable[[], ConfigExpression], message: str) -> None:
    """An expression that cannot be evaluated says which, and what the configs have."""
    with pytest.raises(ParameterError) as caught:
        resolve(make(), SEEN)
    assert message in str(caught.value)


def test_parameters_take_settings_from_configs() -> None:
    """A parameter's default and options may be expressions; what is written out counts more than what is unpacked."""
    parameter = Parameter("p", help="mine", **Config("cfg"))
    assert (parameter.default, parameter.resolved({"cfg": {"default": 4, "help": "h"}}).help) == (None, "mine")
    assert parameter.resolved({"cfg": {"default": 4}}).default == 4
    with pytest.raises(ParameterError, match="Parameter `p` has no option times"):
        parameter.resolved({"cfg": {"times": 4}})


def test_values_cannot_be_changed_and_survive_pickling() -> None:
    """A `ConfigValue` is a dictionary with attributes that nothing changes, at every depth."""
    value = ConfigValue({"a": {"b": [{"c": 1}]}, "items": 2})
    assert value.a.b[0].c == value["a"]["b"][0]["c"] == 1
    assert (type(value).__name__, value.to_dict()) == ("ConfigValue", {"a": {"b": [{"c": 1}]}, "items": 2})
    assert json.dumps(value) == '{"a": {"b": [{"c": 1}]}, "items": 2}'
    assert {"b", "c"} & set(dir(value.a)) == {"b"}
    assert ConfigValue.fromkeys("xy", 0) == ConfigValue({"x": 0, "y": 0})
    copy = pickle.loads(pickle.dumps(value))
    assert (copy, type(copy.a.b[0])) == (value, ConfigValue)
    with pytest.raises(TypeError, match="ConfigValue is immutable"):
        value.a.b[0].c = 2


def test_names_that_are_metaflows_own() -> None:
    """``cfg.name`` is the config's name, as in Metaflow, and other attributes of its class are not given at all."""
    assert Config("cfg").name == "cfg"
    with pytest.raises(AttributeError, match="`parser` is a name of Metaflow's own"):
        _ = Config("cfg", parser=str.upper).parser


def test_configs_go_to_other_processes_as_plain_data() -> None:
    """What decorators see is what JSON gives back, in every process."""
    assert plain_configs({"cfg": {"a": (1, 2)}}) == {"cfg": {"a": [1, 2]}}
