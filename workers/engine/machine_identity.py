"""Keeps programs of others from the identity that a cloud gives to the machine they run on.

Every cloud answers a virtual machine or a container that asks for its credentials: at 169.254.169.254 and
``fd00:ec2::254`` (EC2, Azure), 169.254.170.2 and .23 (ECS, EKS), ``metadata.google.internal``. A provider that was
given no credentials asks there by itself, so a publisher's component would act as the worker. Two things stand before
it. Variables that the clouds' own libraries obey turn the question off. And these services give credentials at port
80, so programs are started by a thread that may connect to TCP ports 53 and 443 and those from 1024 on, and to no
other: Linux holds whatever it starts to the same (Landlock, since Linux 6.7), and nothing takes it back.

Such rules know ports and no addresses. What a cloud or this host answers at a higher port stays within reach: Azure's
WireServer at 168.63.129.16:32526, the ECS agent at 127.0.0.1:51679, other services of the loopback address. A network
namespace of the worker's, or rules of a firewall for its user, keep programs from those; docs/installs.md says how.
"""

import ctypes
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")

_NOWHERE = "127.0.0.1:1"
VARIABLES: Mapping[str, str] = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_CONFIG_FILE": os.devnull,
    "ARM_USE_MSI": "false",
    "ARM_USE_OIDC": "false",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{_NOWHERE}",
    "GCE_METADATA_HOST": _NOWHERE,
    "GCE_METADATA_IP": _NOWHERE,
    "NO_GCE_CHECK": "true",
}
"""What turns the question off, by the documentation of the AWS SDKs, azidentity and google-auth.

The variables that name other places to ask (``AWS_CONTAINER_CREDENTIALS_*``, ``IDENTITY_ENDPOINT``) are in no engine's
environment at all.
"""

PORTS = (53, 443, *range(1024, 65536))
"""Clouds are reached over TLS; the engine and its providers speak to each other at ports that the system chooses.

Names are asked for over TCP (53) where an answer is too long for one datagram.
"""

_FIRST_WITH_PORTS = 4
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1
_PORT_RULE = 2
_CONNECT = 2
_NO_NEW_PRIVILEGES = 38

_log = logging.getLogger(__name__)


class _Ruleset(ctypes.Structure):
    """``struct landlock_ruleset_attr``."""

    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64))


class _Port(ctypes.Structure):
    """``struct landlock_net_port_attr``."""

    _fields_ = (("access", ctypes.c_uint64), ("port", ctypes.c_uint64))


def is_enforced() -> bool:
    """Tell whether the system holds programs to the ports; else the variables alone stand before the identity."""
    return _rules() is not None


def kept_from_it(action: Callable[[], T]) -> T:
    """Do something that starts programs, so that none of them reaches a metadata service; return what it returns."""
    with ThreadPoolExecutor(1, "kept-from-identity", initializer=_restrict_this_thread) as alone:
        return alone.submit(action).result()


def _restrict_this_thread() -> None:
    rules = _rules()
    if rules is None:
        _log.warning("this system cannot keep programs from the metadata service of a cloud; see docs/installs.md")
        return
    system = _libc()
    if system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or system.syscall(_RESTRICT, rules, 0):
        raise OSError(ctypes.get_errno(), "programs cannot be kept from the machine's identity")


_once = threading.Lock()


def _rules() -> int | None:
    with _once:
        return _ruleset(PORTS)


@cache
def _ruleset(ports: Iterable[int]) -> int | None:
    """Return a handle of the rules, None where the system knows none for ports."""
    system = _libc()
    if system.syscall(_CREATE, None, 0, _VERSION) < _FIRST_WITH_PORTS:
        return None
    wanted = _Ruleset(0, _CONNECT)
    made = int(system.syscall(_CREATE, ctypes.byref(wanted), ctypes.sizeof(wanted), 0))
    if made < 0:
        return None
    rule = _Port(_CONNECT, 0)
    place = ctypes.byref(rule)
    for each in ports:
        rule.port = each
        if system.syscall(_ADD, made, _PORT_RULE, place, 0):
            raise OSError(ctypes.get_errno(), "programs cannot be kept from the machine's identity")
    return made


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
