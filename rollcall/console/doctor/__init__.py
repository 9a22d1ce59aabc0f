"""`rollcall doctor`: what is wrong anywhere in the cluster, and one command to try for each of it.

`findings` says what a finding is. The modules `*_checks` and `journey` judge values that were
gathered, and `redaction` takes out what is secret: pure. `hearing`, `looking` and `stored` gather;
`examination` brings both together, each part within a time limit of its own.
"""
