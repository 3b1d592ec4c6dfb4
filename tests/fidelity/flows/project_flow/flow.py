from metaflow import FlowSpec, Parameter, card, current, project, schedule, step


@project(name="fidelity_demo")
@schedule(daily=True)
class ProjectFlow(FlowSpec):
    """Knows its project and its branch."""

    def_name = Parameter("tier", default="dev")

    @step
    def start(self):
        self.project = current.project_name
        self.branch = current.branch_name
        self.production = current.is_production
        self.next(self.end)

    @card
    @step
    def end(self):
        self.full = current.project_flow_name
        self.user_branch = current.is_user_branch
        print(self.project, self.branch, self.full)


if __name__ == "__main__":
    ProjectFlow()
