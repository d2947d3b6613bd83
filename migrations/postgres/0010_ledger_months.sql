-- What each plan, and all of them and none (whose plan_id is nil), came to in a month that is over: a
-- year is put together from these. Derived from the daily totals. Where those of all plans have come to
-- more since, a month is not gone by. `month` is its first day.
CREATE TABLE ledger_months (
    org_id    UUID NOT NULL,
    month     DATE NOT NULL,
    plan_id   UUID NOT NULL,
    entries   BIGINT NOT NULL,
    debited   BIGINT NOT NULL,
    credited  BIGINT NOT NULL,
    made      BIGINT NOT NULL,
    PRIMARY KEY (org_id, month, plan_id)
);
