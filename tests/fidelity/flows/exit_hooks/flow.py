from metaflow import FlowSpec, exit_hook, step


def celebrate():
    print("the run went well")


def mourn():
    print("the run failed")


def say_which(run):
    print("finished", run.successful)


@exit_hook(on_success=[celebrate, say_which], on_error=[mourn])
class ExitHooksFlow(FlowSpec):
    @step
    def start(self):
        self.message = "ready"
        self.next(self.end)

    @step
    def end(self):
        self.message += ", done"


if __name__ == "__main__":
    ExitHooksFlow()
