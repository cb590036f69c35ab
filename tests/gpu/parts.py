"""The parts, in the order in which they are measured and shown.

`env` and `tests` come first, since they may make all else pointless.
"""

PARTS = {  # name -> module
    "env": "env",
    "tests": "device_tests",
    "micro": "micro",
    "steps": "steps",
    "facades": "facades",
    "batches": "batches",
    "translate": "translating",
    "loader": "loading_pairs",
}
