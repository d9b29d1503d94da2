"""What kubectl says about a server, and what it leaves there.

`session.record` runs the same commands on the same twenty objects and writes down, in a form that does not depend on
the time, on the run or on the server, what kubectl printed and what was stored. Two servers that behave alike give the
same record.
"""
