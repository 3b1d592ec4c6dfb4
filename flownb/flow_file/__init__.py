"""The Metaflow file of a flow: written from a notebook, read into cells, and kept in step with them."""
