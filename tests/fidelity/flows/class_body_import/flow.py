from metaflow import FlowSpec, Parameter, step


class ClassBodyImportFlow(FlowSpec):
    from os.path import join as _join_paths

    START_YEAR = 2020
    QUARTERS = ("q1", "q2")
    WEIGHTS = {quarter: place for place, quarter in enumerate(QUARTERS, 1)}
    years = Parameter("years", default=2)

    @step
    def start(self):
        self.periods = [(self.START_YEAR + y, q) for y in range(self.years) for q in self.QUARTERS]
        self.next(self.end)

    @step
    def end(self):
        self.weighted = sum(year * self.WEIGHTS[quarter] for year, quarter in self.periods)


if __name__ == "__main__":
    ClassBodyImportFlow()
