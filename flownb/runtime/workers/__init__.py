"""Worker processes: one for each attempt, forked from a process that has imported what the flow's cells import.

The kernel or command line holds a `ProcessExecutor` (`pool`), which starts a `zygote` and tells it when to fork; what
the child does is in `worker`. They speak in `channel`'s frames.
"""
