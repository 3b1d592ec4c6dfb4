"""What differs between two notebooks, two runs, or a notebook and a run."""
