-- Every six digits in a row of a text, as numbers.
CREATE FUNCTION six_digits(text) RETURNS INTEGER[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY_AGG(CAST(SUBSTR(digits, first, 6) AS INTEGER))
    FROM REGEXP_SPLIT_TO_TABLE($1, '[^0-9]+') AS digits, GENERATE_SERIES(1, LENGTH(digits) - 5) AS first
$$;

-- Finds Links by six digits of their name, ICCID, MSISDN or id: one list, of those that have them. For the
-- same digits `links_text` goes through a list for each three of them, and the zeros of ICCIDs are in all.
-- A Link is put in at once: what waits to be put in is read by every search, and at last by one new Link.
CREATE INDEX links_digits ON links USING GIN
    (six_digits(COALESCE(name, '') || ' ' || iccid || ' ' || COALESCE(msisdn, '') || ' ' || CAST(id AS TEXT)))
    WITH (fastupdate = off);
