"""What every component promises, over the whole catalog.

The promises are those of `imtrans.testing`; an installed plugin's components are tested by
existing. conftest.py beside this leaves some of them to make soak.
"""

import pytest
from metrics_built import OPTIONS

from imtrans.recipe.catalog import catalog
from imtrans.testing.command import installed_commands

BROUGHT = [
    *(component for registry in catalog().registries.values() for component in registry),
    *installed_commands(),
]


@pytest.mark.imtrans_plugin(
    *sorted({each.plugin.distribution for each in BROUGHT}), options=OPTIONS
)
def test_every_component_keeps_its_contract(contract):
    contract()
