-- What columns of words may hold, as domains. A session keeps a domain's words ready, while it reads a CHECK
-- from its text in each statement that writes the table: a list of seven words took it 8 µs, a cast to a domain
-- takes 1. One CHECK a table says all, as each costs something to begin.
--
-- From here on a table a migration, each in a transaction of its own: nobody waits for one of them while another
-- is locked. All wait behind who waits for a table, so it gives up soon, and is run again. Tables that are written
-- less often (`sims`, `sms`, `link_counts`, `ledger_blocks`) keep their own lists of words.
SET LOCAL lock_timeout = '4s';

CREATE DOMAIN operation_kind AS TEXT
    CHECK (VALUE IN ('create_link', 'topup', 'remove_plan', 'update_link', 'send_sms'));
CREATE DOMAIN operation_state AS TEXT
    CHECK (VALUE IN ('pending', 'succeeded', 'refunded', 'rejected'));
CREATE DOMAIN operation_cleanup AS TEXT
    CHECK (VALUE IN ('none', 'watching', 'done', 'manual'));
CREATE DOMAIN entry_kind AS TEXT
    CHECK (VALUE IN ('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment'));
CREATE DOMAIN link_kind AS TEXT CHECK (VALUE IN ('esim', 'physical'));
CREATE DOMAIN link_status AS TEXT CHECK (VALUE IN ('active', 'suspended', 'inactive'));
CREATE DOMAIN activation_status AS TEXT
    CHECK (VALUE IN ('active', 'depleted', 'expired', 'cancelled'));

-- Not valid: what is there has passed the same checks, and is read again by migration 20.
ALTER TABLE operations
    DROP CONSTRAINT operations_kind_check,
    DROP CONSTRAINT operations_state_check,
    DROP CONSTRAINT operations_amount_check,
    DROP CONSTRAINT operations_cleanup_check,
    ADD CONSTRAINT operations_values CHECK (amount >= 0
        AND kind::operation_kind IS NOT NULL
        AND state::operation_state IS NOT NULL
        AND cleanup::operation_cleanup IS NOT NULL) NOT VALID;
