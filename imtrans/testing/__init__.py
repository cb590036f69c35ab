"""The contract tests, for authors of plugins: over pytest, over `imtrans plugins check`, or called
as they are.

Each promise of a role is a function with a sentence for a name, which takes a `Case` and raises
`BrokenContract` with what was found, what the contract says, and what to do.
"""
