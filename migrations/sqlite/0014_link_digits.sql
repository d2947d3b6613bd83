-- Finds Links by six digits of their name, ICCID, MSISDN or id, or by fewer that begin there: one list, of those
-- that have them, where `links_text` goes through a list for each three of them. A Link's number, by its digits: every
-- six in a row, and the first three, four and five of each stretch, behind how many they are; of an id six alone, as
-- whatever begins with three digits begins a part of many ids.
CREATE VIRTUAL TABLE links_digits USING fts5 (
    digits, tokenize = 'ascii', content = '', columnsize = 0, detail = none
);
INSERT INTO links_digits (links_digits, rank) VALUES ('automerge', 16), ('crisismerge', 32);

-- A row put into this view puts a Link into the index; with the command 'delete', and the texts that it was put in
-- with, it takes it out.
CREATE VIEW links_digits_input (command, number, name, iccid, msisdn, id) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE FALSE;
CREATE TRIGGER links_digits_put INSTEAD OF INSERT ON links_digits_input BEGIN
    INSERT INTO links_digits (links_digits, rowid, digits) SELECT NEW.command, NEW.number, (
        WITH RECURSIVE rests (rest, of_id) AS (
            -- A name comes last, as a text ends for SQLite where a NUL is in it.
            SELECT ' ' || SUBSTR(HEX(NEW.id), 1, 8) || ' ' || SUBSTR(HEX(NEW.id), 9, 4)
                || ' ' || SUBSTR(HEX(NEW.id), 13, 4) || ' ' || SUBSTR(HEX(NEW.id), 17, 4)
                || ' ' || SUBSTR(HEX(NEW.id), 21)
                || ' ' || NEW.iccid || ' ' || COALESCE(NEW.msisdn, '') || ' ' || COALESCE(NEW.name, ''), 37
            UNION ALL SELECT SUBSTR(rest, 2), of_id - 1 FROM rests WHERE LENGTH(rest) > 4)
        SELECT GROUP_CONCAT(CASE
            WHEN rest GLOB '[0-9][0-9][0-9][0-9][0-9][0-9]*' THEN SUBSTR(rest, 1, 6)
            WHEN of_id <= 0 AND rest GLOB '[^0-9][0-9][0-9][0-9]*' THEN '3000' || SUBSTR(rest, 2, 3)
                || CASE WHEN rest GLOB '????[0-9]*' THEN ' 400' || SUBSTR(rest, 2, 4) ELSE '' END
                || CASE WHEN rest GLOB '????[0-9][0-9]*' THEN ' 50' || SUBSTR(rest, 2, 5) ELSE '' END
            END, ' ')
        FROM rests);
END;

-- Those that are there, in one part.
INSERT INTO links_digits_input (number, name, iccid, msisdn, id)
SELECT n.number, l.name, l.iccid, l.msisdn, l.id
FROM link_numbers n CROSS JOIN links l ON l.org_id = n.org_id AND l.id = n.link_id
ORDER BY n.number;
INSERT INTO links_digits (links_digits) VALUES ('optimize');

-- Both indexes are kept by the same triggers, as a Link's number is to be there before and until after them.
DROP TRIGGER IF EXISTS links_text_insert;
DROP TRIGGER IF EXISTS links_text_update;
DROP TRIGGER IF EXISTS links_text_delete;
CREATE TRIGGER links_search_insert AFTER INSERT ON links BEGIN
    INSERT INTO link_numbers (org_id, link_id) VALUES (NEW.org_id, NEW.id);
    INSERT INTO links_text (rowid, name, iccid, msisdn, id)
    SELECT number, NEW.name, NEW.iccid, NEW.msisdn, HEX(NEW.id)
    FROM link_numbers WHERE org_id = NEW.org_id AND link_id = NEW.id;
    INSERT INTO links_digits_input (number, name, iccid, msisdn, id)
    SELECT number, NEW.name, NEW.iccid, NEW.msisdn, NEW.id
    FROM link_numbers WHERE org_id = NEW.org_id AND link_id = NEW.id;
END;
CREATE TRIGGER links_search_update AFTER UPDATE OF org_id, id, name, iccid, msisdn ON links
WHEN OLD.org_id <> NEW.org_id OR OLD.id <> NEW.id OR OLD.name IS NOT NEW.name
    OR OLD.iccid <> NEW.iccid OR OLD.msisdn IS NOT NEW.msisdn BEGIN
    INSERT INTO links_text (links_text, rowid, name, iccid, msisdn, id)
    SELECT 'delete', number, OLD.name, OLD.iccid, OLD.msisdn, HEX(OLD.id)
    FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
    INSERT INTO links_digits_input (command, number, name, iccid, msisdn, id)
    SELECT 'delete', number, OLD.name, OLD.iccid, OLD.msisdn, OLD.id
    FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
    UPDATE link_numbers SET org_id = NEW.org_id, link_id = NEW.id
    WHERE org_id = OLD.org_id AND link_id = OLD.id;
    INSERT INTO links_text (rowid, name, iccid, msisdn, id)
    SELECT number, NEW.name, NEW.iccid, NEW.msisdn, HEX(NEW.id)
    FROM link_numbers WHERE org_id = NEW.org_id AND link_id = NEW.id;
    INSERT INTO links_digits_input (number, name, iccid, msisdn, id)
    SELECT number, NEW.name, NEW.iccid, NEW.msisdn, NEW.id
    FROM link_numbers WHERE org_id = NEW.org_id AND link_id = NEW.id;
END;
CREATE TRIGGER links_search_delete AFTER DELETE ON links BEGIN
    INSERT INTO links_text (links_text, rowid, name, iccid, msisdn, id)
    SELECT 'delete', number, OLD.name, OLD.iccid, OLD.msisdn, HEX(OLD.id)
    FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
    INSERT INTO links_digits_input (command, number, name, iccid, msisdn, id)
    SELECT 'delete', number, OLD.name, OLD.iccid, OLD.msisdn, OLD.id
    FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
    DELETE FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
END;
