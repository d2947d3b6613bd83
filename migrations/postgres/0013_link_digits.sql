-- The digits of a text as numbers: every six in a row, and the first three, four and five of each stretch, to which
-- as many millions are added.
CREATE FUNCTION digits_of(text) RETURNS INTEGER[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY_AGG(part)
    FROM REGEXP_SPLIT_TO_TABLE($1, '[^0-9]+') AS digits, LATERAL (
        SELECT CAST(SUBSTR(digits, first, 6) AS INTEGER)
        FROM GENERATE_SERIES(1, LENGTH(digits) - 5) AS first
        UNION ALL
        SELECT 1000000 * size + CAST(LEFT(digits, size) AS INTEGER)
        FROM GENERATE_SERIES(3, LEAST(LENGTH(digits), 5)) AS size
    ) AS parts (part)
$$;

-- Finds Links by six digits of their name, ICCID, MSISDN or id, or by fewer that begin there: one list, of those
-- that have them. For the same digits `links_text` goes through a list for each three of them, and the zeros of
-- ICCIDs are in all. A Link is put in at once: what waits to be put in is read by every search, and at last by one
-- new Link.
CREATE INDEX links_digits ON links USING GIN
    (digits_of(COALESCE(name, '') || ' ' || iccid || ' ' || COALESCE(msisdn, '') || ' ' || CAST(id AS TEXT)))
    WITH (fastupdate = off);
