"""Kernels whose memory is shared: forks of one process which has loaded what every lesson loads.

It is off unless a user switches it on: ``jupyter server extension enable deepstrf_widgets.forked_kernels``.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory

from .provisioner import PARENT, ForkedProvisioner

NAME = "deepstrf-forked"
JUPYTERS_OWN = "local-provisioner"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """List of the one extension of this package, in the form that Jupyter reads."""
    return [{"module": __name__}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Make forks the kernels of this server, where nobody has chosen another provisioner.

    Parameters
    ----------
    server_app : jupyter_server.serverapp.ServerApp
        The running server; its ``log`` and configuration are used.
    """
    factory = KernelProvisionerFactory.instance(parent=server_app)
    if sys.platform != "linux":
        server_app.log.info("deepstrf_widgets: kernels share no memory: this system is not Linux")
    elif factory.default_provisioner_name != JUPYTERS_OWN:
        server_app.log.info("deepstrf_widgets: kernels are started by %s", factory.default_provisioner_name)
    else:
        register(factory)
        factory.default_provisioner_name = NAME
        PARENT.start(os.environ)
        server_app.log.info("deepstrf_widgets: kernels share what they have loaded")


def register(factory: KernelProvisionerFactory) -> None:
    """Let ``factory`` know the provisioner by its name."""
    where = f"{ForkedProvisioner.__module__}:{ForkedProvisioner.__name__}"
    factory.provisioners[NAME] = EntryPoint(NAME, where, factory.GROUP_NAME)
