-- Every thousandth row of an organization's lists that are ordered by id (`links`, `operations`,
-- `sms`): `rank` rows have this id or a smaller one. Derived, and only of rows that nothing can come
-- in before any more: a page deep in a list is walked to from the nearest.
CREATE TABLE list_ranks (
    org_id  UUID NOT NULL,
    list    TEXT NOT NULL CHECK (list IN ('links', 'operations', 'sms')),
    rank    BIGINT NOT NULL CHECK (rank > 0),
    id      UUID NOT NULL,
    PRIMARY KEY (org_id, list, rank)
);

-- The rare ends and kinds among millions of top-ups.
CREATE INDEX operations_failed ON operations (org_id, id) WHERE state IN ('refunded', 'rejected');
CREATE INDEX operations_kind ON operations (org_id, kind, id) WHERE kind <> 'topup';

-- Finds Links by a part of their name, ICCID, MSISDN or id. The extension comes with PostgreSQL and
-- may be made by a database's owner; where it cannot be had, a search reads all of an organization's
-- Links.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'pg_trgm cannot be had (%): searches of Links are slow', SQLERRM;
END;
$$;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE INDEX links_text ON links USING GIN
            ((LOWER(COALESCE(name, '') || ' ' || iccid || ' ' || COALESCE(msisdn, '') || ' '
                || CAST(id AS TEXT))) gin_trgm_ops);
    END IF;
END;
$$;
