"""Field management and server-side apply, without a server; the cases come from comparisons with the real one."""
