SET LOCAL lock_timeout = '4s';
ALTER TABLE ledger_entries
    DROP CONSTRAINT ledger_entries_sequence_check,
    DROP CONSTRAINT ledger_entries_kind_check,
    DROP CONSTRAINT ledger_entries_balance_after_check,
    DROP CONSTRAINT ledger_entries_check,
    DROP CONSTRAINT ledger_entries_check1,
    ADD CONSTRAINT ledger_entries_values CHECK (sequence > 0 AND balance_after >= 0
        AND kind::entry_kind IS NOT NULL
        AND CASE kind WHEN 'refund' THEN refund_of IS NOT NULL AND operation_id IS NOT NULL
            ELSE refund_of IS NULL END) NOT VALID;
