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
