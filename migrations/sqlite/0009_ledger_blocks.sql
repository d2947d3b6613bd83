-- What stretches of a ledger add up to by kind, and from when to when their entries were written: a part
-- of a day is put together from these, and only the entries at its two ends are read. Derived, and only
-- of entries that are there, which never change.
CREATE TABLE ledger_blocks (
    org_id          BLOB NOT NULL,
    first_sequence  INTEGER NOT NULL,
    last_sequence   INTEGER NOT NULL CHECK (last_sequence >= first_sequence),
    kind            TEXT NOT NULL CHECK (kind IN
        ('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment')),
    entries         INTEGER NOT NULL CHECK (entries > 0),
    debited         INTEGER NOT NULL CHECK (debited >= 0),
    credited        INTEGER NOT NULL CHECK (credited >= 0),
    first_at        TEXT NOT NULL,
    last_at         TEXT NOT NULL,
    PRIMARY KEY (org_id, last_sequence, first_sequence, kind)
) STRICT, WITHOUT ROWID;
