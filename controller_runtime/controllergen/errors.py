"""What can go wrong while generating."""


class GenerationError(Exception):
    """A type or rule cannot be written as Kubernetes YAML; the message names it and says why."""
