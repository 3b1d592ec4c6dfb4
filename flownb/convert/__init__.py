"""A plain notebook becomes a flow: `propose` finds the steps, `verify` proves that they give the same values."""
