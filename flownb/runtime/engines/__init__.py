"""Attempts on distributed systems that the user has already.

`dask_executor` is the driver's side, an `Executor` like any other; `dask_host` runs on each dask worker and executes
attempts in worker processes, as a run on this machine does; `parcels` is what the two send each other. A module of this
package is imported only when a run asks for its engine.
"""
