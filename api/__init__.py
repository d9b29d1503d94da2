"""API groups of the operator: its own kinds in `v1alpha1` (boot.ironcore.dev).

A class stands for one kind; its docstrings are the descriptions in the generated CRDs (`hack/manifests.py`) and
therefore what `kubectl explain` shows.
"""
