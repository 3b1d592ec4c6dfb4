from metaflow import FlowSpec, step
from metaflow.cards import Markdown, Table
from metaflow.decorators import StepDecorator
from metaflow.exception import MetaflowException
from metaflow.metaflow_current import current
from metaflow.parameters import JSONType, Parameter
from metaflow import card


class TooShort(MetaflowException):
    headline = "Text too short"


class DeepImportsFlow(FlowSpec):
    texts = Parameter("texts", type=JSONType, default='["alpha", "be", "gamma"]')

    @card(type="blank")
    @step
    def start(self):
        self.lengths = {}
        self.errors = []
        for text in self.texts:
            try:
                if len(text) < 3:
                    raise TooShort(f"{text!r} has {len(text)} characters")
                self.lengths[text] = len(text)
            except MetaflowException as error:
                self.errors.append([error.headline, str(error)])
        current.card.append(Markdown("# Lengths"))
        current.card.append(Table([[k, v] for k, v in self.lengths.items()], headers=["text", "length"]))
        self.place = current.step_name
        self.next(self.end)

    @step
    def end(self):
        self.known = StepDecorator.__name__


if __name__ == "__main__":
    DeepImportsFlow()
