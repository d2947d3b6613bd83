SET LOCAL lock_timeout = '4s';
ALTER TABLE links
    DROP CONSTRAINT links_kind_check,
    DROP CONSTRAINT links_status_check,
    ADD CONSTRAINT links_values CHECK (kind::link_kind IS NOT NULL
        AND status::link_status IS NOT NULL) NOT VALID;
