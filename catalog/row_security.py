"""The SQL that isolates tenants, written by migrations so that no query has to remember it."""

CURRENT_TENANT = "nullif(current_setting('slipway.tenant', true), '')::uuid"
OWN_ROWS = f"tenant_id = {CURRENT_TENANT}"


def isolate(table: str, *, read: str = OWN_ROWS, write: str = OWN_ROWS) -> list[str]:
    """Return the statements that put ``table`` under forced row-level security.

    ``read`` and ``write`` are SQL conditions on a row; by default both mean "belongs to the tenant of this
    transaction". The application role is granted the ordinary statements and nothing more. ``FORCE`` makes the
    policies hold for the table's owner as well.
    """
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {table}_read ON {table} FOR SELECT TO slipway_app USING ({read})",
        f"CREATE POLICY {table}_insert ON {table} FOR INSERT TO slipway_app WITH CHECK ({write})",
        f"CREATE POLICY {table}_update ON {table} FOR UPDATE TO slipway_app USING ({write}) WITH CHECK ({write})",
        f"CREATE POLICY {table}_delete ON {table} FOR DELETE TO slipway_app USING ({write})",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO slipway_app",
    ]


def open_to_system(table: str, privileges: str) -> list[str]:
    """Return the statements that let the system role reach the rows of every tenant in ``table``.

    ``privileges`` is a GRANT list such as ``SELECT, UPDATE (lease_until)``: as narrow as the due list needs.
    """
    return [
        f"CREATE POLICY {table}_system ON {table} FOR ALL TO slipway_system USING (true) WITH CHECK (true)",
        f"GRANT {privileges} ON {table} TO slipway_system",
    ]
