from metaflow import FlowSpec, Parameter, step


class HelloParametersFlow(FlowSpec):
    """Greets everybody as often as asked."""

    name_list = Parameter("names", help="Comma separated names", default="ada,grace,linus")
    times = Parameter("times", default=2, type=int)
    loud = Parameter("loud", default=False, type=bool)

    @step
    def start(self):
        """Split the names."""
        self.people = [one.strip().title() for one in self.name_list.split(",")]
        self.next(self.greet)

    @step
    def greet(self):
        mark = "!" if self.loud else "."
        self.greetings = [f"Hello {who}{mark * self.times}" for who in self.people]
        for line in self.greetings:
            print(line)
        self.next(self.end)

    @step
    def end(self):
        """All is said."""
        print("said", len(self.greetings), "greetings")


if __name__ == "__main__":
    HelloParametersFlow()
