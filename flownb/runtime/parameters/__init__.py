"""What a run starts with: parameters, files and configs, with Metaflow's meaning (``start`` puts them together)."""
