import metaflow
from metaflow import Parameter


def number(name, default, help="A number"):
    return Parameter(name, default=default, help=help, type=type(default))


def flag(name):
    return metaflow.Parameter(name, default=False, type=bool, help="Say more")


SEED = Parameter("seed", default=11, type=int)
