-- Reads what is there; writes and reads go on.
ALTER TABLE operations VALIDATE CONSTRAINT operations_values;
ALTER TABLE ledger_entries VALIDATE CONSTRAINT ledger_entries_values;
ALTER TABLE ledger_days VALIDATE CONSTRAINT ledger_days_values;
ALTER TABLE links VALIDATE CONSTRAINT links_values;
ALTER TABLE activations VALIDATE CONSTRAINT activations_values;
ALTER TABLE wallets VALIDATE CONSTRAINT wallets_values;
