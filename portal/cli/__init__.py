"""The ``slipway`` command: starts Slipway's processes, and speaks to the portal over HTTP like any other client."""
