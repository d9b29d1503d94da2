"""Patches, without a server. `answers.json` is what kube-apiserver 1.36.3 answered."""
