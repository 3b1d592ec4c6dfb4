from metaflow import FlowSpec, Parameter, catch, retry, step, current


class NestedSwitchFlow(FlowSpec):
    score = Parameter("score", default=0.7)

    @step
    def start(self):
        self.passed = self.score > 0.5
        self.log = []
        self.next({True: self.review, False: self.reject}, condition="passed")

    @step
    def review(self):
        self.level = int(self.score * 10) // 4
        self.log.append(f"level {self.level}")
        self.next({0: self.publish, 1: self.revise, 2: self.publish}, condition="level")

    @retry(times=1, minutes_between_retries=0)
    @step
    def revise(self):
        if current.retry_count == 0:
            raise IOError("reviewer is away")
        self.log.append("revised")
        self.next(self.publish)

    @step
    def publish(self):
        self.log.append("published")
        self.next(self.close)

    @step
    def reject(self):
        self.log.append("rejected")
        self.next(self.close)

    @step
    def close(self):
        self.outcome = self.log[-1]
        self.next(self.end)

    @step
    def end(self):
        print(self.log)


if __name__ == "__main__":
    NestedSwitchFlow()
