"""The notebook's flow, its datastore and its working run."""
