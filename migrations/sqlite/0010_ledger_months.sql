-- What each plan, and all of them and none (whose plan_id is nil), came to in a month that is over: a
-- year is put together from these. Derived from the daily totals. Where those of all plans have come to
-- more since, a month is not gone by. `month` is its first day.
CREATE TABLE ledger_months (
    org_id    BLOB NOT NULL,
    month     TEXT NOT NULL,
    plan_id   BLOB NOT NULL,
    entries   INTEGER NOT NULL,
    debited   INTEGER NOT NULL,
    credited  INTEGER NOT NULL,
    made      INTEGER NOT NULL,
    PRIMARY KEY (org_id, month, plan_id)
) STRICT, WITHOUT ROWID;
