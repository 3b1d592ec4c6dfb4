from metaflow import FlowSpec, current, step

from decos import Counted, fallback, once, skip_when


class StepDecoratorModuleFlow(FlowSpec):
    @Counted
    @step
    def start(self):
        self.numbers = [1, 2, 3]
        self.next(self.risky)

    @fallback(value=-1)
    @step
    def risky(self):
        self.result = 1 / (len(self.numbers) - 3)
        self.next(self.skipped)

    @skip_when(name="numbers")
    @step
    def skipped(self):
        self.numbers = []
        self.next(self.end)

    @Counted(label="last")
    @once
    @step
    def end(self):
        self.sum = sum(self.numbers) + self.result


if __name__ == "__main__":
    StepDecoratorModuleFlow()
