"""What a component promises, as probes: small calls that show whether it keeps its contract.

A training runs them over a plugin's components before its first step, `imtrans plugins check` and
`imtrans.testing` over all that a plugin brings.
"""
