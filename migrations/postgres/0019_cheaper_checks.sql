SET LOCAL lock_timeout = '4s';
ALTER TABLE wallets
    DROP CONSTRAINT wallets_balance_check,
    DROP CONSTRAINT wallets_version_check,
    DROP CONSTRAINT wallets_links_total_check,
    DROP CONSTRAINT wallets_operations_total_check,
    DROP CONSTRAINT wallets_sms_total_check,
    ADD CONSTRAINT wallets_values CHECK
        (LEAST(balance, version, links_total, operations_total, sms_total) >= 0) NOT VALID;
