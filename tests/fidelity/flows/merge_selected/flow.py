from metaflow import FlowSpec, step


class MergeSelectedFlow(FlowSpec):
    @step
    def start(self):
        self.common = {"a": [1, 2]}
        self.label = "base"
        self.next(self.left, self.right)

    @step
    def left(self):
        self.l_only = [1, 2, 3]
        self.label = "left"
        self.agreed = 42
        self.next(self.join)

    @step
    def right(self):
        self.r_only = (4, 5)
        self.label = "right"
        self.agreed = 42
        self.common["b"] = []
        self.next(self.join)

    @step
    def join(self, inputs):
        self.label = "/".join(sorted(i.label for i in inputs))
        self.common = max((i.common for i in inputs), key=len)
        self.merge_artifacts(inputs, exclude=["r_only"])
        self.had_r = hasattr(self, "r_only")
        self.next(self.fork)

    @step
    def fork(self):
        self.next(self.a, self.b)

    @step
    def a(self):
        self.value = 1
        self.extra = "x"
        self.next(self.again)

    @step
    def b(self):
        self.value = 2
        self.extra = "x"
        self.next(self.again)

    @step
    def again(self, branches):
        self.merge_artifacts(branches, include=["extra", "l_only"])
        self.values = {"a": branches.a.value, "b": branches.b.value}
        self.names = sorted(name for name in ("value", "label", "agreed") if hasattr(self, name))
        self.next(self.end)

    @step
    def end(self):
        self.done = [self.extra, self.l_only, self.values]


if __name__ == "__main__":
    MergeSelectedFlow()
