SET LOCAL lock_timeout = '4s';
ALTER TABLE ledger_days
    DROP CONSTRAINT ledger_days_kind_check,
    DROP CONSTRAINT ledger_days_debited_check,
    DROP CONSTRAINT ledger_days_credited_check,
    ADD CONSTRAINT ledger_days_values CHECK (LEAST(debited, credited) >= 0
        AND kind::entry_kind IS NOT NULL) NOT VALID;
