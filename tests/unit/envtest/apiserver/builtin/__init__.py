"""Built-in kinds, without a server. `answers.json` and `openapi.json` are what kube-apiserver 1.36.3 answered."""
