from metaflow import FlowSpec, Parameter, step


class SingleStepFlow(FlowSpec):
    n = Parameter("n", default=10)

    @step(start=True, end=True)
    def only(self):
        self.fibonacci = [0, 1]
        while len(self.fibonacci) < self.n:
            self.fibonacci.append(sum(self.fibonacci[-2:]))
        print(self.fibonacci)


if __name__ == "__main__":
    SingleStepFlow()
