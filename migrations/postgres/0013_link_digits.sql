-- The digits of a text as numbers: every six in a row, and the first three, four and five of each stretch, to which
-- as many millions are added. In PL/pgSQL, which keeps what it has planned for the next statement.
CREATE FUNCTION digits_of(text) RETURNS INTEGER[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    digits TEXT;
    parts INTEGER[] := '{}';
BEGIN
    FOREACH digits IN ARRAY REGEXP_SPLIT_TO_ARRAY($1, '[^0-9]+') LOOP
        FOR size IN 3..LEAST(LENGTH(digits), 5) LOOP
            parts := ARRAY_APPEND(parts, 1000000 * size + CAST(LEFT(digits, size) AS INTEGER));
        END LOOP;
        FOR place IN 1..LENGTH(digits) - 5 LOOP
            parts := ARRAY_APPEND(parts, CAST(SUBSTR(digits, place, 6) AS INTEGER));
        END LOOP;
    END LOOP;
    RETURN parts;
END;
$$;

-- Finds Links by six digits of their name, ICCID, MSISDN or id, or by fewer that begin there: one list, of those
-- that have them. For the same digits `links_text` goes through a list for each three of them, and the zeros of
-- ICCIDs are in all. A Link is put in at once: what waits to be put in is read by every search, and at last by one
-- new Link.
CREATE INDEX links_digits ON links USING GIN
    (digits_of(COALESCE(name, '') || ' ' || iccid || ' ' || COALESCE(msisdn, '') || ' ' || CAST(id AS TEXT)))
    WITH (fastupdate = off);
