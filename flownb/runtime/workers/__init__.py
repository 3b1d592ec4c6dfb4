"""Worker processes: one for each attempt, forked from a process that has imported what the flow's cells import.

The kernel or command line has a `ProcessExecutor` (`pool`), which starts a `zygote` and asks it for processes; what the
child does is in `worker`. They communicate in the frames of `channel`.
"""
