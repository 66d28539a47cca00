"""Version 1 of the API: every route in one place, because routes are a security surface."""

from portal.api.v1 import assets, environments, events, operations, publishers, tokens

ROUTES = (
    assets.publish_asset,
    assets.search_assets,
    assets.get_asset,
    assets.list_asset_versions,
    assets.get_asset_version,
    assets.get_asset_archive,
    assets.get_asset_used_by,
    assets.deprecate,
    assets.retire,
    assets.yank,
    assets.revoke,
    assets.quarantine,
    assets.restore,
    assets.get_asset_schema,
    environments.request_environment,
    environments.list_environments,
    environments.get_environment,
    environments.get_environment_logs,
    environments.extend_environment,
    environments.destroy_environment,
    operations.list_operations,
    operations.get_operation,
    operations.follow_operation,
    publishers.list_trusted_publishers,
    publishers.add_trusted_publisher,
    publishers.remove_trusted_publisher,
    publishers.get_audience,
    publishers.exchange_identity,
    tokens.create_token,
    tokens.list_tokens,
    tokens.get_myself,
    tokens.revoke_token,
    events.list_events,
    events.list_dead_letters,
    events.replay_dead_letter,
)
"""What answers below ``/api/v1``."""

ROOT_ROUTES = (
    environments.request_environment_at_root,
    environments.receive_git_hook,
    publishers.get_audience_at_root,
    publishers.mint_token_at_root,
)
"""What answers at the root: the promised paths, as the current version, and hooks."""
