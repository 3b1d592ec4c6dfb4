from metaflow import FlowSpec, Parameter, current, retry, step


class CoreFlow(FlowSpec):
    n_rows = Parameter("n_rows", default=3, type=int)

    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        if current.retry_count == 0:
            raise ConnectionError("warming up")
        self.rows = list(range(1, self.n_rows + 1))
        self.attempt = current.retry_count
        self.next(self.prepare)

    @step
    def end(self):
        print(self.summary)
