-- The same digits, in PL/pgSQL: a session keeps what it has planned for the next statement, while a function in
-- SQL is planned in each. What the index holds stays.
CREATE OR REPLACE FUNCTION digits_of(text) RETURNS INTEGER[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
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
