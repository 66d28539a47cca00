"""How a network's addresses are shared out."""

from ipaddress import IPv4Network

SMALLEST = 20


def subnets(cidr: str, count: int) -> list[str]:
    """Return ``count`` blocks of equal size that do not overlap, as large as they can be.

    Raises ``ValueError`` where ``cidr`` is no IPv4 network, or is smaller than /20.
    """
    network = IPv4Network(cidr)
    if network.prefixlen > SMALLEST:
        raise ValueError(f"The network {cidr} is smaller than /{SMALLEST}.")
    bits = max(count - 1, 1).bit_length()
    return [str(block) for block, _ in zip(network.subnets(prefixlen_diff=bits), range(count), strict=False)]
