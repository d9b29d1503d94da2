"""The error of this package."""


class StandaloneError(Exception):
    """Standalone mode cannot start or go on; the message says why and what to do."""
