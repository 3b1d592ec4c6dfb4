from metaflow import JSONType, Parameter


class SettingsMixin:
    count = Parameter("count", default=2, type=int)
    limits = Parameter("limits", type=JSONType, default='{"values": [5, 7, 9], "scale": 1.5}')

    def setup(self):
        self.scale = self.limits["scale"]

    def scaled(self, value):
        return value * self.scale


class ReportMixin:
    TITLE = "Report"

    def write_report(self):
        self.report = "\n".join([self.TITLE, *("- %s" % r for r in self.results)])
        print(self.report)
