-- Money is in millionths of a currency unit, volumes in kilobytes, times with microseconds.
-- Every tenant's row carries org_id, and so does every foreign key between such rows.

CREATE TABLE organizations (
    id              BLOB PRIMARY KEY,
    slug            TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    currency        TEXT NOT NULL CHECK (length(currency) = 3),
    price_per_sms   INTEGER NOT NULL CHECK (price_per_sms >= 0),
    price_per_link  INTEGER NOT NULL CHECK (price_per_link >= 0),
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL
) STRICT;

-- Client ids of the identity provider, for tokens that carry no organization.
CREATE TABLE organization_clients (
    client_id   TEXT PRIMARY KEY,
    org_id      BLOB NOT NULL REFERENCES organizations (id),
    created_at  TEXT NOT NULL
) STRICT;
CREATE INDEX organization_clients_org ON organization_clients (org_id);

-- version = number of ledger entries. fence shuts out a commit whose outcome was lost. The totals
-- are what counting the organization's rows would give.
CREATE TABLE wallets (
    org_id            BLOB PRIMARY KEY REFERENCES organizations (id),
    balance           INTEGER NOT NULL CHECK (balance >= 0),
    version           INTEGER NOT NULL CHECK (version >= 0),
    fence             INTEGER NOT NULL,
    links_total       INTEGER NOT NULL CHECK (links_total >= 0),
    operations_total  INTEGER NOT NULL CHECK (operations_total >= 0),
    sms_total         INTEGER NOT NULL DEFAULT 0 CHECK (sms_total >= 0),
    updated_at        TEXT NOT NULL
) STRICT;

CREATE TABLE sponsors (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    color  TEXT NOT NULL
) STRICT;

CREATE TABLE plans (
    id                BLOB PRIMARY KEY,
    operator_plan_id  TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    data_kb           INTEGER NOT NULL CHECK (data_kb >= 0),
    validity_days     INTEGER NOT NULL CHECK (validity_days > 0),
    wholesale_price   INTEGER NOT NULL CHECK (wholesale_price >= 0),
    wholesale_currency TEXT NOT NULL CHECK (length(wholesale_currency) = 3),
    sponsor_id        TEXT NOT NULL REFERENCES sponsors (id),
    coverage_type     TEXT NOT NULL CHECK (coverage_type IN ('country', 'regional', 'global')),
    region            TEXT,
    coverage          TEXT NOT NULL,
    countries         TEXT NOT NULL,
    operators_total   INTEGER NOT NULL,
    offered           INTEGER NOT NULL,
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL
) STRICT;

-- What an organization may buy, and at which price in its wallet's currency. A price set by hand
-- stays; any other follows the wholesale price at this row's markup and rate or, where it has none,
-- at the catalogue's. Percents and rates are decimal text.
CREATE TABLE organization_plans (
    org_id      BLOB NOT NULL REFERENCES organizations (id),
    plan_id     BLOB NOT NULL REFERENCES plans (id),
    price       INTEGER NOT NULL CHECK (price >= 0),
    by_hand     INTEGER NOT NULL,
    markup      TEXT,
    rate        TEXT,
    enabled     INTEGER NOT NULL,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (org_id, plan_id)
) STRICT;

-- The catalogue's markup on wholesale prices, in percent: one row, or none while there is none.
CREATE TABLE catalogue_markup (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    percent  TEXT NOT NULL
) STRICT;

-- What one unit of a wholesale currency is in a wallet's.
CREATE TABLE exchange_rates (
    wholesale_currency  TEXT NOT NULL CHECK (length(wholesale_currency) = 3),
    wallet_currency     TEXT NOT NULL CHECK (length(wallet_currency) = 3),
    rate                TEXT NOT NULL,
    PRIMARY KEY (wholesale_currency, wallet_currency)
) STRICT;

-- Cards. An eSIM of the operator's pool has no org_id; a physical card is in its organization's
-- stock. `free` can be claimed, `claimed` belongs to operation_id alone, `used` is or was a
-- Link's, `retired` is never given out again. claimed_at is null once the operation of a claim is
-- known to be recorded.
CREATE TABLE sims (
    iccid         TEXT PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('esim', 'physical')),
    sponsor_id    TEXT NOT NULL,
    org_id        BLOB REFERENCES organizations (id),
    smdp_address  TEXT,
    matching_id   TEXT,
    state         TEXT NOT NULL CHECK (state IN ('free', 'claimed', 'used', 'retired')),
    operation_id  BLOB,
    claimed_at    TEXT,
    created_at    TEXT NOT NULL
) STRICT;
CREATE INDEX sims_free ON sims (sponsor_id, kind, iccid) WHERE state = 'free' AND org_id IS NULL;
CREATE INDEX sims_known ON sims (sponsor_id, kind, iccid) WHERE org_id IS NULL;
CREATE INDEX sims_claimed ON sims (claimed_at) WHERE state = 'claimed';
CREATE INDEX sims_operation ON sims (operation_id) WHERE state = 'claimed';
CREATE INDEX sims_stock ON sims (org_id, iccid) WHERE org_id IS NOT NULL;

-- References to organizations, wallets and plans are not declared here, nor on activations and the
-- ledger, nor those of the latter two to operations and Links: each costs a look-up and a lock a
-- row where thousands are written a second. Their rows are never deleted, what is written here is
-- written together with its wallet's and its Link's row, and the audit compares all of it.
--
-- One attempt to change something at the operator. All of a group end alike; only its first
-- carries the idempotency key and, while it is pending, the lease.
CREATE TABLE operations (
    org_id           BLOB NOT NULL,
    id               BLOB NOT NULL,
    group_id         BLOB NOT NULL,
    position         INTEGER NOT NULL,
    kind             TEXT NOT NULL
        CHECK (kind IN ('create_link', 'topup', 'remove_plan', 'update_link', 'send_sms')),
    state            TEXT NOT NULL
        CHECK (state IN ('pending', 'succeeded', 'refunded', 'rejected')),
    link_id          BLOB NOT NULL,
    activation_id    BLOB,
    plan_id          BLOB,
    amount           INTEGER NOT NULL CHECK (amount >= 0),
    debit_id         BLOB,
    idempotency_key  TEXT,
    request_hash     BLOB,
    request          TEXT NOT NULL,
    answer           TEXT,
    failure          TEXT,
    cleanup          TEXT NOT NULL CHECK (cleanup IN ('none', 'watching', 'done', 'manual')),
    epoch            INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    lease_until      TEXT,
    deadline_at      TEXT NOT NULL,
    horizon_at       TEXT NOT NULL,
    created_at       TEXT NOT NULL,
    settled_at       TEXT,
    PRIMARY KEY (org_id, id)
) STRICT;
-- A key stands for at most one attempt that runs or succeeded; a refund frees it.
CREATE UNIQUE INDEX operations_key ON operations (org_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state IN ('pending', 'succeeded');
CREATE INDEX operations_key_history ON operations (org_id, idempotency_key, id)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX operations_group ON operations (org_id, group_id, position) WHERE id <> group_id;
CREATE INDEX operations_due ON operations (lease_until)
    WHERE lease_until IS NOT NULL AND kind <> 'send_sms';
-- SMS have a sender of their own, and it has two kinds of work.
CREATE INDEX operations_sms_to_send ON operations (lease_until)
    WHERE lease_until IS NOT NULL AND kind = 'send_sms' AND state = 'pending';
CREATE INDEX operations_sms_under_way ON operations (lease_until)
    WHERE lease_until IS NOT NULL AND kind = 'send_sms' AND state = 'succeeded';
CREATE INDEX operations_open ON operations (org_id, id)
    WHERE state = 'pending' OR cleanup IN ('watching', 'manual');
CREATE INDEX operations_manual ON operations (id) WHERE cleanup = 'manual';
-- Changes of one Link's status or plans come one after the other, on all instances.
CREATE UNIQUE INDEX operations_exclusive ON operations (org_id, link_id)
    WHERE state = 'pending' AND kind IN ('remove_plan', 'update_link');

CREATE TABLE links (
    org_id        BLOB NOT NULL REFERENCES organizations (id),
    id            BLOB NOT NULL,
    name          TEXT,
    iccid         TEXT NOT NULL UNIQUE,
    msisdn        TEXT,
    kind          TEXT NOT NULL CHECK (kind IN ('esim', 'physical')),
    status        TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'inactive')),
    sponsor_id    TEXT NOT NULL REFERENCES sponsors (id),
    endpoint_id   TEXT NOT NULL,
    smdp_address  TEXT,
    matching_id   TEXT,
    data_total_kb INTEGER NOT NULL,
    data_used_kb  INTEGER NOT NULL,
    profile_state TEXT,
    profile_at    TEXT,
    usage_at      TEXT,
    -- Where the card was last known to be, as JSON.
    connectivity  TEXT,
    connectivity_at TEXT,
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT;
CREATE INDEX links_status ON links (org_id, status, id);
CREATE INDEX links_kind ON links (org_id, kind, id);

CREATE TABLE activations (
    org_id         BLOB NOT NULL,
    id             BLOB NOT NULL,
    link_id        BLOB NOT NULL,
    operation_id   BLOB NOT NULL,
    plan_id        BLOB NOT NULL,
    plan_name      TEXT NOT NULL,
    status         TEXT NOT NULL
        CHECK (status IN ('active', 'depleted', 'expired', 'cancelled')),
    instance_id    TEXT NOT NULL,
    activated_at   TEXT NOT NULL,
    first_used_at  TEXT,
    expires_at     TEXT,
    data_total_kb  INTEGER NOT NULL,
    data_used_kb   INTEGER NOT NULL,
    countries      TEXT NOT NULL,
    amount         INTEGER NOT NULL,
    currency       TEXT NOT NULL,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, operation_id)
) STRICT;
-- In force: not cancelled and not expired; a depleted plan is still the Link's.
CREATE INDEX activations_in_force ON activations (org_id, link_id, id)
    WHERE status IN ('active', 'depleted');
CREATE INDEX activations_expiring ON activations (expires_at)
    WHERE status IN ('active', 'depleted') AND expires_at IS NOT NULL;
CREATE INDEX activations_ended ON activations (org_id, link_id, id)
    WHERE status IN ('expired', 'cancelled');

-- A message has the id of its operation. Its text is here and nowhere else.
CREATE TABLE sms (
    org_id           BLOB NOT NULL,
    id               BLOB NOT NULL,
    link_id          BLOB NOT NULL,
    iccid            TEXT NOT NULL,
    message          TEXT NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('queued', 'sent', 'delivered', 'failed')),
    amount           INTEGER NOT NULL CHECK (amount >= 0),
    operator_sms_id  TEXT,
    created_at       TEXT NOT NULL,
    sent_at          TEXT,
    updated_at       TEXT NOT NULL,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, id) REFERENCES operations (org_id, id)
) STRICT;
CREATE INDEX sms_link ON sms (org_id, link_id, id);
CREATE INDEX sms_status ON sms (org_id, status, id);

CREATE TABLE ledger_entries (
    org_id         BLOB NOT NULL,
    sequence       INTEGER NOT NULL CHECK (sequence > 0),
    id             BLOB NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN
        ('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment')),
    amount         INTEGER NOT NULL,
    balance_after  INTEGER NOT NULL CHECK (balance_after >= 0),
    link_id        BLOB,
    iccid          TEXT,
    activation_id  BLOB,
    plan_id        BLOB,
    plan_name      TEXT,
    refund_of      BLOB,
    operation_id   BLOB,
    reference      TEXT,
    description    TEXT NOT NULL,
    created_at     TEXT NOT NULL,
    PRIMARY KEY (org_id, sequence),
    CHECK ((kind = 'refund') = (refund_of IS NOT NULL)),
    CHECK (kind <> 'refund' OR operation_id IS NOT NULL)
) STRICT;
-- One debit and one refund an operation.
CREATE UNIQUE INDEX ledger_entries_operation ON ledger_entries (org_id, operation_id, kind)
    WHERE operation_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_entries_reference ON ledger_entries (org_id, reference)
    WHERE reference IS NOT NULL;
CREATE INDEX ledger_entries_link ON ledger_entries (org_id, link_id, sequence)
    WHERE link_id IS NOT NULL;
-- The rare kinds among millions of others.
CREATE INDEX ledger_entries_kind ON ledger_entries (org_id, kind, sequence);

-- What the ledger adds up to by UTC day and kind: a row of each plan, and one of all plans and of
-- none, whose plan_id is nil. Written with the entries. `made` counts the Links (kind `activation`)
-- and the top-ups that came about on the day. Debited and credited are sums without sign; the
-- sequences are the least and the greatest of the entries counted, null while there are none.
CREATE TABLE ledger_days (
    org_id          BLOB NOT NULL,
    plan_id         BLOB NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN
        ('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment')),
    day             TEXT NOT NULL,
    entries         INTEGER NOT NULL,
    debited         INTEGER NOT NULL CHECK (debited >= 0),
    credited        INTEGER NOT NULL CHECK (credited >= 0),
    made            INTEGER NOT NULL,
    first_sequence  INTEGER,
    last_sequence   INTEGER,
    PRIMARY KEY (org_id, plan_id, kind, day)
) STRICT, WITHOUT ROWID;
-- Which plans sold in a period. No update touches it.
CREATE INDEX ledger_days_day ON ledger_days (org_id, day);

-- What became of each Link's fee of a month, decided once: `charged`; `due`, where the balance did
-- not cover it and the Link was suspended; `waived`, where the Link was suspended for an earlier
-- one. A due fee that is paid to reactivate its Link has a second row, `paid`, which a refund takes
-- away again. entry_id is the ledger entry that charges it.
CREATE TABLE link_fees (
    org_id      BLOB NOT NULL,
    link_id     BLOB NOT NULL,
    month       TEXT NOT NULL CHECK (length(month) = 7),
    state       TEXT NOT NULL CHECK (state IN ('charged', 'due', 'waived', 'paid')),
    amount      INTEGER NOT NULL CHECK (amount >= 0),
    entry_id    BLOB,
    created_at  TEXT NOT NULL,
    PRIMARY KEY (org_id, link_id, month, state),
    CHECK ((state IN ('charged', 'paid')) = (entry_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX link_fees_decided ON link_fees (org_id, link_id, month) WHERE state <> 'paid';

-- Months for which a run of the fees has looked at all Links of an organization.
CREATE TABLE fee_runs (
    org_id        BLOB NOT NULL,
    month         TEXT NOT NULL CHECK (length(month) = 7),
    completed_at  TEXT NOT NULL,
    PRIMARY KEY (org_id, month)
) STRICT;

CREATE TRIGGER ledger_entries_no_update BEFORE UPDATE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_entries_no_delete BEFORE DELETE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
