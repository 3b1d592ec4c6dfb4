from metaflow import Flow, Run, current, namespace
from metaflow.exception import MetaflowNotFound


def _this_run():
    namespace(None)
    return Run("%s/%s" % (current.flow_name, current.run_id))


def earlier_runs():
    namespace(None)
    return [run.id for run in Flow(current.flow_name) if run.id != current.run_id]


def step_artifact(step, name, default=None):
    try:
        return _this_run()[step].task[name].data
    except (KeyError, MetaflowNotFound):
        return default


def artifacts_of(step):
    return sorted(artifact.id for artifact in _this_run()[step].task if not artifact.id.startswith("_") and artifact.id != "name")
