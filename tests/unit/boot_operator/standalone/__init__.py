"""Standalone mode without processes: reading manifests, and keeping in step with a directory of them."""
