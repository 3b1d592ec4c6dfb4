from metaflow import FlowSpec, step
from lib import BaseConfigFlow


class ConfigInMixinFlow(BaseConfigFlow):
    @step
    def start(self):
        self.words = self.text_config.words
        self.next(self.end)

    @step
    def end(self):
        self.shown = self.text_config.separator.join(self.words)
        self.n = self.count_of("words")


if __name__ == "__main__":
    ConfigInMixinFlow()
