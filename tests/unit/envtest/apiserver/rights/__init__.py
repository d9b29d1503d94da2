"""Who may do what on the embedded API server."""
