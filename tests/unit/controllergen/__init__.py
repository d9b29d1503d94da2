"""The generator of CRDs and roles."""
