from metaflow import FlowSpec, step, Flow, Run, namespace
from metaflow.exception import (
    MetaflowException,
    MetaflowInternalError,
    MetaflowNotFound,
    MissingInMergeArtifactsException,
    UnhandledInMergeArtifactsException,
)


class MetaflowExceptionsFlow(FlowSpec):
    @step
    def start(self):
        namespace(None)
        self.caught = []
        try:
            Flow("NoSuchFlowAnywhere")
        except MetaflowNotFound as error:
            self.caught.append(isinstance(error, MetaflowException))
        try:
            Run("NoSuchFlowAnywhere/17")
        except MetaflowException as error:
            self.caught.append(isinstance(error, MetaflowNotFound))
        self.next(self.left, self.right)

    @step
    def left(self):
        self.side = "left"
        self.only_left = 1
        self.next(self.join)

    @step
    def right(self):
        self.side = "right"
        self.next(self.join)

    @step
    def join(self, inputs):
        try:
            self.merge_artifacts(inputs)
        except UnhandledInMergeArtifactsException as error:
            self.conflicts = error.artifact_names
        try:
            self.merge_artifacts(inputs, include=["nowhere"])
        except MissingInMergeArtifactsException as error:
            self.missing = error.artifact_names
        try:
            self.merge_artifacts(inputs, include=["a"], exclude=["b"])
        except MetaflowException as error:
            self.both = isinstance(error, MetaflowInternalError)
        self.side = inputs.left.side + inputs.right.side
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        self.seen = [self.side, self.only_left, self.caught, issubclass(MetaflowInternalError, MetaflowException)]


if __name__ == "__main__":
    MetaflowExceptionsFlow()
