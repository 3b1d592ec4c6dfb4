from metaflow import Parameter, step


class CheckMixin:
    factor = Parameter("factor", default=2)

    @step
    def check(self):
        self.dropped = self.rows.count(None)
        self.rows = [row for row in self.rows if row is not None]
        self.next(self.transform)


class PublishMixin:
    target = Parameter("target", default="table")

    def _publish(self):
        self.published = {self.target: self.rows}

    @step
    def publish(self):
        self._publish()
        self.next(self.end)
