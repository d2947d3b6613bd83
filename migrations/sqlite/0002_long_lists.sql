-- Every thousandth row of an organization's lists that are ordered by id (`links`, `operations`,
-- `sms`): `rank` rows have this id or a smaller one. Derived, and only of rows that nothing can come
-- in before any more: a page deep in a list is walked to from the nearest.
CREATE TABLE list_ranks (
    org_id  BLOB NOT NULL,
    list    TEXT NOT NULL CHECK (list IN ('links', 'operations', 'sms')),
    rank    INTEGER NOT NULL CHECK (rank > 0),
    id      BLOB NOT NULL,
    PRIMARY KEY (org_id, list, rank)
) STRICT, WITHOUT ROWID;

-- The rare ends and kinds among millions of top-ups.
CREATE INDEX operations_failed ON operations (org_id, id) WHERE state IN ('refunded', 'rejected');
CREATE INDEX operations_kind ON operations (org_id, kind, id) WHERE kind <> 'topup';
