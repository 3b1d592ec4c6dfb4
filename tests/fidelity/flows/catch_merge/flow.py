from metaflow import FlowSpec, catch, step


class CatchMergeFlow(FlowSpec):
    @step
    def start(self):
        self.base = 10
        self.next(self.good, self.bad)

    @catch(var="good_failure")
    @step
    def good(self):
        self.value = self.base / 2
        self.next(self.join)

    @catch(var="bad_failure", print_exception=False)
    @step
    def bad(self):
        self.partial = "kept"
        self.other = self.base / 0
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs, exclude=["_catch_exception"])
        self.failure = str(self.bad_failure.exception)
        self.next(self.end)

    @step
    def end(self):
        self.outcome = (self.value, self.partial, bool(self.bad_failure), self.good_failure is None)


if __name__ == "__main__":
    CatchMergeFlow()
