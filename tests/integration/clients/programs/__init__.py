"""Small programs, each of one client; `python NAME.py NAMESPACE` with KUBECONFIG set."""
