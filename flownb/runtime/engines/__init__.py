"""Attempts on other people's engines: distributed systems that are there already.

`dask_executor` is the driver's side, an `Executor` as any other, on a `dask_cluster`; `dask_host` is what it has done
on each dask worker, where attempts run in worker processes as they do at home; `parcels` is what the two send each
other. A module here is imported only when a run asks for its engine.
"""
