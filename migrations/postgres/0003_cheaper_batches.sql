-- The rows of a batch: what the ledger writer binds, one array of each that a statement needs
-- (`src/store/ledger/rows.rs`). Columns are read by their place and counted. A type is never altered,
-- for an instance of the version before goes on using it: a section that changes gets a new one.
CREATE TYPE batch_wanted AS (
    org_id UUID, version BIGINT, fence BIGINT, balance_to BIGINT, version_to BIGINT,
    links_new BIGINT, operations_new BIGINT, sms_new BIGINT, guards BIGINT, at TIMESTAMPTZ
);
CREATE TYPE batch_ending AS (
    org_id UUID, id UUID, epoch BIGINT, state TEXT, failure TEXT, cleanup TEXT,
    lease_until TIMESTAMPTZ, answer TEXT, settled_at TIMESTAMPTZ
);
CREATE TYPE batch_operations AS (
    org_id UUID, id UUID, group_id UUID, position INTEGER, kind TEXT, state TEXT, link_id UUID,
    activation_id UUID, plan_id UUID, amount BIGINT, debit_id UUID, idempotency_key TEXT,
    request_hash BYTEA, request TEXT, cleanup TEXT, epoch BIGINT, attempts INTEGER,
    lease_until TIMESTAMPTZ, deadline_at TIMESTAMPTZ, horizon_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ
);
CREATE TYPE batch_sms AS (
    org_id UUID, id UUID, link_id UUID, iccid TEXT, message TEXT, status TEXT, amount BIGINT,
    created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ
);
CREATE TYPE batch_failing AS (
    org_id UUID, id UUID, at TIMESTAMPTZ
);
CREATE TYPE batch_links AS (
    org_id UUID, id UUID, name TEXT, iccid TEXT, msisdn TEXT, kind TEXT, status TEXT,
    sponsor_id TEXT, endpoint_id TEXT, smdp_address TEXT, matching_id TEXT,
    data_total_kb BIGINT, data_used_kb BIGINT, profile_state TEXT, profile_at TIMESTAMPTZ,
    usage_at TIMESTAMPTZ, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ
);
CREATE TYPE batch_linking AS (
    org_id UUID, iccid TEXT
);
CREATE TYPE batch_activations AS (
    org_id UUID, id UUID, link_id UUID, operation_id UUID, plan_id UUID, plan_name TEXT,
    status TEXT, instance_id TEXT, activated_at TIMESTAMPTZ, first_used_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ, data_total_kb BIGINT, data_used_kb BIGINT, countries TEXT,
    amount BIGINT, currency TEXT
);
CREATE TYPE batch_adding AS (
    org_id UUID, link_id UUID, kb BIGINT, at TIMESTAMPTZ
);
CREATE TYPE batch_ledger_entries AS (
    org_id UUID, sequence BIGINT, id UUID, kind TEXT, amount BIGINT, balance_after BIGINT,
    link_id UUID, iccid TEXT, activation_id UUID, plan_id UUID, plan_name TEXT, refund_of UUID,
    operation_id UUID, reference TEXT, description TEXT, created_at TIMESTAMPTZ
);
CREATE TYPE batch_link_fees AS (
    org_id UUID, link_id UUID, month TEXT, state TEXT, amount BIGINT, entry_id UUID,
    created_at TIMESTAMPTZ
);
CREATE TYPE batch_returning_fee AS (
    org_id UUID, link_id UUID, entry_id UUID
);
CREATE TYPE batch_totalling AS (
    org_id UUID, plan_id UUID, kind TEXT, day DATE, entries BIGINT, debited BIGINT,
    credited BIGINT, made BIGINT, first_sequence BIGINT, last_sequence BIGINT
);

-- Nearly all entries are top-ups: those have an index of their own without the kind, which every
-- entry would carry along. What is new is built first: until then reads go on.
CREATE INDEX ledger_entries_topup ON ledger_entries (org_id, sequence) WHERE kind = 'topup';
CREATE INDEX ledger_entries_other ON ledger_entries (org_id, kind, sequence) WHERE kind <> 'topup';

-- One debit and one refund an operation, likewise.
CREATE UNIQUE INDEX ledger_entries_debit ON ledger_entries (org_id, operation_id)
    WHERE operation_id IS NOT NULL AND kind <> 'refund';
CREATE UNIQUE INDEX ledger_entries_refund ON ledger_entries (org_id, operation_id)
    WHERE kind = 'refund';

DROP INDEX ledger_entries_kind;
DROP INDEX ledger_entries_operation;
