"""Standalone mode: the operator with an API server of its own, for labs without a cluster.

`lab` puts the parts together: `server` is the API server's process, `applier` applies objects to it by server-side
apply, `manifests` reads them from files, and `directory` applies a directory of such files whenever they change.

Promised: the API server runs in its own process and dies with this one, `kill -9` included; files with tokens and keys
are readable by their owner alone; a broken manifest stops nothing. Nothing else that ships in the operator may depend
on the test environment, where the API server comes from, and only this mode loads it.
"""
