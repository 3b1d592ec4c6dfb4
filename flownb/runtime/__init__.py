"""Tasks, programs and the scheduler: the generated source executed."""
