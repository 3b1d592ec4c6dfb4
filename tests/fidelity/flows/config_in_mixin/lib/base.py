import os

from metaflow import Config, FlowSpec, Parameter

from .reading import parse

HERE = os.path.dirname(os.path.abspath(__file__))


class BaseConfigFlow(FlowSpec):
    text_config = Config("text", default=os.path.join(HERE, "text.cfg"), parser=parse)
    strict = Parameter("strict", default=True)

    def count_of(self, key):
        return len(self.text_config[key])
