from collections import OrderedDict, namedtuple

from metaflow import FlowSpec, step

Job = namedtuple("Job", "name command")


class ForeachDictItemsFlow(FlowSpec):
    @step
    def start(self):
        self.commands = OrderedDict([("up", str.upper), ("title", str.title)])
        self.jobs = [Job(name, command) for name, command in self.commands.items()]
        self.next(self.run_job, foreach="jobs")

    @step
    def run_job(self):
        job = self.input
        self.job_name = job.name
        self.output = job.command("some text")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.outputs = {each.job_name: each.output for each in inputs}
        self.next(self.end)

    @step
    def end(self):
        self.lengths = {name: len(text) for name, text in self.outputs.items()}


if __name__ == "__main__":
    ForeachDictItemsFlow()
