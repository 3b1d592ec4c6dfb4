from metaflow import current
from metaflow.metaflow_current import current as deep_current


def describe():
    return {"flow": current.flow_name, "step": current.step_name, "retries": current.retry_count}


def how_far():
    return deep_current.step_name


def log_line(text):
    return f"[{current.flow_name}/{deep_current.step_name}] {text}"
