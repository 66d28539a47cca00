"""Attestations, signing keys, publisher identities, trust policies, reliances and the registry's log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import OWN_ROWS, isolate

revision = "attestations_statements"
down_revision = "publishers_trusted"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
# Whoever may see an asset may see what its publisher has proven about it: the policies of assets decide.
OF_VISIBLE_ASSET = (
    f"{OWN_ROWS} OR (verdict <> 'rejected' AND asset_id IS NOT NULL AND EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM assets WHERE assets.id = asset_id))"
)
OF_VISIBLE_ATTESTATION = (
    f"{OWN_ROWS} OR EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM attestations WHERE attestations.id = attestation_id)"
)
LOG_OF_VISIBLE_ASSET = f"{OWN_ROWS} OR EXISTS (SELECT 1 FROM assets WHERE assets.id = asset_id)"  # noqa: S608  (constants only)


def upgrade() -> None:
    _create_keys()
    _create_policies()
    _create_attestations()
    _create_uses()
    for statement in (
        *isolate("signing_keys"),
        *isolate("publisher_identities"),
        *isolate("trust_policies"),
        *isolate("attestations", read=OF_VISIBLE_ASSET),
        *isolate("attestation_subjects", read=OF_VISIBLE_ATTESTATION),
        *isolate("attestation_reliances"),
        *isolate("registry_records", read=LOG_OF_VISIBLE_ASSET),
    ):
        op.execute(statement)


def _own() -> tuple[sa.Column[object], ...]:
    return (sa.Column("id", sa.Uuid(), nullable=False), sa.Column("tenant_id", sa.Uuid(), nullable=False))


def _tenant(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants"),
    )


def _create_keys() -> None:
    op.create_table(
        "signing_keys",
        *_own(),
        sa.Column("key_id", sa.String(length=71), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("algorithm", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("provider", sa.String(length=63)),
        sa.Column("provider_ref", sa.String()),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("state_reason", sa.String()),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("retires_at", WHEN),
        sa.Column("revoked_at", WHEN),
        sa.Column("untrusted_since", WHEN),
        *_tenant("signing_keys"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_signing_keys_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "key_id", name="uq_signing_keys_tenant_id_key_id"),
    )
    op.create_index(
        "ix_signing_keys_signs",
        "signing_keys",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("state = 'active' AND provider IS NOT NULL"),
    )
    op.create_table(
        "publisher_identities",
        *_own(),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        *_tenant("publisher_identities"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_publisher_identities_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "issuer", "subject", name="uq_publisher_identities_tenant_id_issuer_subject"),
    )


def _create_policies() -> None:
    op.create_table(
        "trust_policies",
        *_own(),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        *_tenant("trust_policies"),
        sa.UniqueConstraint("tenant_id", "version", name="uq_trust_policies_tenant_id_version"),
    )


def _create_attestations() -> None:
    op.create_table(
        "attestations",
        *_own(),
        sa.Column("envelope_digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=63)),
        sa.Column("detail", sa.String()),
        sa.Column("predicate_type", sa.String(length=500), nullable=False),
        sa.Column("evidence", sa.String(length=500), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("signing_key_id", sa.Uuid()),
        sa.Column("key_id", sa.String(length=71), nullable=False),
        sa.Column("key_state", sa.String(length=32)),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("signed_at", WHEN),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("received_at", WHEN, nullable=False),
        sa.Column("received_by", sa.String(), nullable=False),
        sa.Column("verified_at", WHEN),
        *_tenant("attestations"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_attestations_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "envelope_digest", name="uq_attestations_tenant_id_envelope_digest"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "signing_key_id"],
            ["signing_keys.tenant_id", "signing_keys.id"],
            name="fk_attestations_tenant_id_signing_key_id_signing_keys",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asset_id"],
            ["assets.tenant_id", "assets.id"],
            name="fk_attestations_tenant_id_asset_id_assets",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_attestations_tenant_id_received_at", "attestations", ["tenant_id", "received_at"])
    op.create_index("ix_attestations_signing_key_id", "attestations", ["signing_key_id"])
    op.create_index("ix_attestations_asset_id", "attestations", ["asset_id"])
    op.create_table(
        "attestation_subjects",
        *_own(),
        sa.Column("attestation_id", sa.Uuid(), nullable=False),
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=512), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attestation_subjects"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "attestation_id"],
            ["attestations.tenant_id", "attestations.id"],
            name="fk_attestation_subjects_tenant_id_attestation_id_attestations",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_attestation_subjects_algorithm_digest", "attestation_subjects", ["algorithm", "digest"])
    op.create_index("ix_attestation_subjects_attestation_id", "attestation_subjects", ["attestation_id"])


def _create_uses() -> None:
    op.create_table(
        "attestation_reliances",
        *_own(),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("thing_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("is_itself", sa.Boolean(), nullable=False),
        sa.Column("used_as", sa.String(length=300), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        *_tenant("attestation_reliances"),
        sa.UniqueConstraint(
            "tenant_id", "kind", "thing_id", "digest", name="uq_attestation_reliances_tenant_id_kind_thing_id_digest"
        ),
    )
    op.create_index("ix_attestation_reliances_digest", "attestation_reliances", ["tenant_id", "digest"])
    op.create_table(
        "registry_records",
        *_own(),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("record", postgresql.JSONB(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        *_tenant("registry_records"),
        sa.UniqueConstraint(
            "tenant_id", "asset_id", "sequence", name="uq_registry_records_tenant_id_asset_id_sequence"
        ),
        sa.UniqueConstraint("tenant_id", "event_id", name="uq_registry_records_tenant_id_event_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asset_id"],
            ["assets.tenant_id", "assets.id"],
            name="fk_registry_records_tenant_id_asset_id_assets",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    for table in (
        "registry_records",
        "attestation_reliances",
        "attestation_subjects",
        "attestations",
        "trust_policies",
        "publisher_identities",
        "signing_keys",
    ):
        op.drop_table(table)
