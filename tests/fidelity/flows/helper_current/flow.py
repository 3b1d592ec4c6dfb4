from metaflow import FlowSpec, step, current

from helpers import describe, how_far, log_line


class HelperCurrentFlow(FlowSpec):
    @step
    def start(self):
        self.where = [describe()]
        self.lines = [log_line("begin")]
        self.next(self.middle)

    @step
    def middle(self):
        self.where.append(describe())
        self.lines.append(log_line("work %d" % len(self.where)))
        self.same = how_far() == current.step_name
        self.next(self.end)

    @step
    def end(self):
        self.where = self.where + [describe()]
        print(self.lines)


if __name__ == "__main__":
    HelperCurrentFlow()
