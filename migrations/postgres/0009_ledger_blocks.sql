-- What stretches of a ledger add up to by kind, and from when to when their entries were written: a part
-- of a day is put together from these, and only the entries at its two ends are read. Derived, and only
-- of entries that are there, which never change.
CREATE TABLE ledger_blocks (
    org_id          UUID NOT NULL,
    first_sequence  BIGINT NOT NULL,
    last_sequence   BIGINT NOT NULL CHECK (last_sequence >= first_sequence),
    kind            TEXT NOT NULL CHECK (kind IN
        ('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment')),
    entries         BIGINT NOT NULL CHECK (entries > 0),
    debited         BIGINT NOT NULL CHECK (debited >= 0),
    credited        BIGINT NOT NULL CHECK (credited >= 0),
    first_at        TIMESTAMPTZ NOT NULL,
    last_at         TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (org_id, last_sequence, first_sequence, kind)
);
