"""The embedded Kubernetes API server: the part of the API that controllers and kubectl use, in one small process.

    python -m controller_runtime.envtest.apiserver --secure-port=6443 --cert-dir=DIR --token-auth-file=FILE

`ControlPlane` starts it so; `APIServer` is the same without sockets. Its model is kube-apiserver 1.36: what it does it
does with the same codes, texts and fields, and one suite (tests/integration) runs on both.

From below: `store` keeps objects by revision, `persistence` on disk; `schema`, `managedfields`, `patches` and
`validation` know what objects may look like and whose their fields are; `builtin` and `crds` say which kinds there are,
`resources` how they are served; `reader` and `writer` carry out the verbs; `definitions`, `namespaces` and `collector`
are what controllers do elsewhere; `auth`, `rbac` and `tokens` know who may do what; `discovery` and `openapi` tell of
it all; `protobuf` reads what Go's clients send; `dispatcher` finds who answers a request, `server` has the sockets.

Promised: a write that was answered survives the end of the process where there is a data directory; watches miss
nothing; every refusal is a Status.

Not promised, and not here: pods and all that runs them, admission webhooks, rules in CEL, conversion webhooks,
aggregation, answers in protobuf, several servers on one store. It is for labs and tests.
"""
