from metaflow import FlowSpec, step, retry, catch, current


class Flaky(RuntimeError):
    pass


def download(attempt):
    if attempt < 2:
        raise Flaky(f"connection reset in attempt {attempt}")
    return list(range(attempt + 3))


class RetryTransientFlow(FlowSpec):
    @retry
    @step
    def start(self):
        # the default is three retries, two minutes apart
        self.rows = download(current.retry_count)
        self.attempt = current.retry_count
        self.next(self.shards)

    @step
    def shards(self):
        self.shard_ids = [0, 1, 2]
        self.next(self.load, foreach="shard_ids")

    @retry(times=2)
    @catch(var="problem", print_exception=False)
    @step
    def load(self):
        self.shard = self.input
        self.tries = current.retry_count
        if self.input == 1 and current.retry_count == 0:
            raise ValueError("not yet")
        self.value = 12 // (self.input - 2)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.values = {i.shard: (i.tries, getattr(i, "value", None)) for i in inputs}
        self.failed = [i.shard for i in inputs if i.problem]
        self.kinds = [i.problem.type for i in inputs if i.problem]
        self.merge_artifacts(inputs, include=["rows", "attempt"])
        self.next(self.end)

    @step
    def end(self):
        print(self.values, self.failed)


if __name__ == "__main__":
    RetryTransientFlow()
