"""Source text, names, tags, notebook files: what a cell says, before it means anything with others."""
