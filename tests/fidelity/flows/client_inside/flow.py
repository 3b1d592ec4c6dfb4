import datetime

from metaflow import Flow, FlowSpec, Metaflow, Run, Step, Task, current, get_namespace, namespace, step


class ClientInsideFlow(FlowSpec):
    @step
    def start(self):
        self.value = [1, 2]
        self.next(self.look)

    @step
    def look(self):
        namespace(None)
        run = Run(f"{current.flow_name}/{current.run_id}")
        task = run["start"].task
        self.seen = task.data.value
        self.by_name = task["value"].data
        self.by_attribute = task.artifacts.value.data
        self.finished = (task.finished, task.successful, run.finished, run.successful)
        self.kinds = [type(task.created_at).__name__, task.created_at.tzinfo is None]
        self.recent = abs(datetime.datetime.now() - task.finished_at) < datetime.timedelta(hours=1)
        me = Task(current.pathspec)
        self.mine = (me.id == current.task_id, me.parent.id, me.finished)
        self.flow_id = Flow(current.flow_name).id
        self.steps = sorted(one.id for one in run)
        self.latest = Flow(current.flow_name).latest_run.id == current.run_id
        self.no_good_run = Flow(current.flow_name).latest_successful_run is None
        self.step_path = Step(f"{current.flow_name}/{current.run_id}/start").pathspec.split("/")[2]
        self.any_flow = any(flow.id == current.flow_name for flow in Metaflow())
        self.scope = get_namespace()
        self.next(self.end)

    @step
    def end(self):
        self.tag = sorted(tag for tag in current.tags)
        self.user = current.username


if __name__ == "__main__":
    ClientInsideFlow()
