from metaflow import FlowSpec, step

CALLS = 0


def called():
    global CALLS
    CALLS += 1
    return CALLS


class LanguageFeaturesFlow(FlowSpec):
    @step
    def start(self):
        def make_counter():
            count = 0

            def increase(by=1):
                nonlocal count
                count += by
                return count

            return increase

        counter = make_counter()
        self.counts = [counter(), counter(5), counter()]
        self.calls = [called(), called()]
        self.events = [{"type": "move", "by": (1, 2)}, {"type": "stop"}, ["odd"], 7]
        self.next(self.match)

    @step
    def match(self):
        self.seen = []
        for event in self.events:
            match event:
                case {"type": "move", "by": (x, y)}:
                    self.seen.append(("move", x + y))
                case {"type": kind}:
                    self.seen.append((kind,))
                case [first, *rest]:
                    self.seen.append((first, rest))
                case int(n) if n > 5:
                    self.seen.append(n * 2)
        self.calls += [called()]
        x, *middle, z = range(5)
        self.parts = [x, middle, z]
        self.next(self.end)

    @step
    def end(self):
        class Local:
            def __init__(self, values):
                self.values = values

            def __len__(self):
                return len(self.values)

        local = Local(self.seen)
        self.length = len(local)
        try:
            raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])
        except* ValueError as group:
            self.values = [str(error) for error in group.exceptions]
        except* KeyError as group:
            self.keys = len(group.exceptions)
        self.text = f"{self.length=} {'%s' % self.values}"


if __name__ == "__main__":
    LanguageFeaturesFlow()
