"""What an API server promises to controllers and to kubectl, rule by rule, over plain HTTP.

One module per area; a test is named after the rule that it checks. Codes, headers, bodies and texts are compared as
they come, without a client in between. The suite asks for the fixture `control_plane` alone, so that it can be run on
any server that offers one. Tests share nothing but the server: each has a namespace, or names, of its own. Whoever
waits watches, with a deadline; what cannot be watched (discovery) is asked for again by `rest.eventually`.
"""
