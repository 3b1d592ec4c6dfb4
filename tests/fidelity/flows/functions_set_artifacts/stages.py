def load(flow):
    flow.rows = [n * 3 for n in range(flow.size)]


def evaluate(flow):
    flow.score = sum(flow.rows) / len(flow.rows) if flow.kind == "mean" else max(flow.rows)
    del flow.rows[0]
