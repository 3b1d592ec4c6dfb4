from metaflow import FlowSpec, step, Parameter
from mixins import ReportMixin, SettingsMixin


class MixinParametersFlow(FlowSpec, SettingsMixin, ReportMixin):
    own = Parameter("own", default="mine")

    @step
    def start(self):
        self.setup()
        self.items = self.limits["values"][: self.count]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.result = self.scaled(self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [each.result for each in inputs]
        self.merge_artifacts(inputs, exclude=["result"])
        self.next(self.end)

    @step
    def end(self):
        self.write_report()


if __name__ == "__main__":
    MixinParametersFlow()
