import argparse
import logging
import os
import sys
import warnings

from metaflow import FlowSpec, Parameter, step

warnings.filterwarnings("ignore", category=UserWarning)
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(message)s")
logger = logging.getLogger(__name__)
logger.setLevel(logging.DEBUG)

os.environ.setdefault("APP_MODE", "batch")
DEBUG = os.environ["APP_MODE"] == "debug"


def parse_args(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=3)
    return parser.parse_args(argv if argv is not None else [])


class LoggingWarningsFlow(FlowSpec):
    """
    Logs what it does.

    Usage: python flow.py run
    """

    limit = Parameter("limit", default=parse_args().limit)

    @step
    def start(self):
        logger.info("limit is %d", self.limit)
        warnings.warn("this is ignored")
        self.mode = os.environ["APP_MODE"]
        self.logger_name = logger.name
        self.next(self.work)

    @step
    def work(self):
        self.lines = []
        for number in range(self.limit):
            logger.debug("number %d", number)
            print("working on", number, file=sys.stderr)
            self.lines.append(f"{number:03d}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("seen", RuntimeWarning)
        self.caught = [str(one.message) for one in caught]
        self.next(self.end)

    @step
    def end(self):
        logger.warning("done: %s", self.lines)
        self.debug = DEBUG


if __name__ == "__main__":
    LoggingWarningsFlow()
