"""Where artifacts live: content-addressed blobs and small immutable manifests."""
