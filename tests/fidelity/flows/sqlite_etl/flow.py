import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from metaflow import FlowSpec, Parameter, step

SCHEMA = Path(__file__).resolve().parent / "schema.sql"


def connect(path):
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    return contextlib.closing(connection)


class SqliteEtlFlow(FlowSpec):
    """Loads rows into a database, queries it, keeps its dump."""

    minimum = Parameter("minimum", default=2)

    @step
    def start(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "shop.db")
            with connect(path) as db:
                db.executescript(SCHEMA.read_text())
                db.executemany("INSERT INTO sales VALUES (?, ?)", [("pen", 3), ("ink", 1), ("pen", 2)])
                db.commit()
                self.dump = list(db.iterdump())
        self.next(self.query)

    @step
    def query(self):
        with connect(":memory:") as db:
            db.executescript("\n".join(self.dump))
            rows = db.execute(
                """SELECT item, SUM(units) AS units
                     FROM sales
                 GROUP BY item
                   HAVING SUM(units) >= ?""",
                (self.minimum,),
            )
            self.rows = [dict(row) for row in rows]
        self.next(self.end)

    @step
    def end(self):
        self.units = {row["item"]: row["units"] for row in self.rows}


if __name__ == "__main__":
    SqliteEtlFlow()
