-- A number of each Link's own: that of a row of `links` may change in a `VACUUM`.
CREATE TABLE link_numbers (
    number   INTEGER PRIMARY KEY,
    org_id   BLOB NOT NULL,
    link_id  BLOB NOT NULL,
    UNIQUE (org_id, link_id)
) STRICT;

-- Finds Links by a part of their name, ICCID, MSISDN or id, in whatever case: their numbers, by what three
-- characters in a row they have where. An id is without its hyphens. The texts themselves are in `links` alone,
-- and a Link is taken out by those that it was put in with. To do so by its number (`contentless_delete`)
-- takes a newer SQLite than many a system has, and there nobody could change a Link by hand any more.
CREATE VIRTUAL TABLE links_text USING fts5 (
    name, iccid, msisdn, id, tokenize = 'trigram', content = '', columnsize = 0
);

-- New Links come one or some a commit, and each commit is a part of its own until it is merged. More of them
-- are merged at a time than by default, and so less often: a Link costs less, and no commit stands still for
-- long. A search looks in more parts.
INSERT INTO links_text (links_text, rank) VALUES ('automerge', 16), ('crisismerge', 32);

-- Those that are there, in one part: in several, the next new Links would pay for merging them.
INSERT INTO link_numbers (org_id, link_id) SELECT org_id, id FROM links ORDER BY org_id, id;
INSERT INTO links_text (rowid, name, iccid, msisdn, id)
SELECT n.number, l.name, l.iccid, l.msisdn, HEX(l.id)
FROM link_numbers n CROSS JOIN links l ON l.org_id = n.org_id AND l.id = n.link_id
ORDER BY n.number;
INSERT INTO links_text (links_text) VALUES ('optimize');

-- Kept by the database itself, so that it is right whoever changes a Link by hand.
CREATE TRIGGER links_text_insert AFTER INSERT ON links BEGIN
    INSERT INTO link_numbers (org_id, link_id) VALUES (NEW.org_id, NEW.id);
    INSERT INTO links_text (rowid, name, iccid, msisdn, id)
    SELECT number, NEW.name, NEW.iccid, NEW.msisdn, HEX(NEW.id)
    FROM link_numbers WHERE org_id = NEW.org_id AND link_id = NEW.id;
END;
CREATE TRIGGER links_text_update AFTER UPDATE OF org_id, id, name, iccid, msisdn ON links
WHEN OLD.org_id <> NEW.org_id OR OLD.id <> NEW.id OR OLD.name IS NOT NEW.name
    OR OLD.iccid <> NEW.iccid OR OLD.msisdn IS NOT NEW.msisdn BEGIN
    INSERT INTO links_text (links_text, rowid, name, iccid, msisdn, id)
    SELECT 'delete', number, OLD.name, OLD.iccid, OLD.msisdn, HEX(OLD.id)
    FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
    UPDATE link_numbers SET org_id = NEW.org_id, link_id = NEW.id
    WHERE org_id = OLD.org_id AND link_id = OLD.id;
    INSERT INTO links_text (rowid, name, iccid, msisdn, id)
    SELECT number, NEW.name, NEW.iccid, NEW.msisdn, HEX(NEW.id)
    FROM link_numbers WHERE org_id = NEW.org_id AND link_id = NEW.id;
END;
CREATE TRIGGER links_text_delete AFTER DELETE ON links BEGIN
    INSERT INTO links_text (links_text, rowid, name, iccid, msisdn, id)
    SELECT 'delete', number, OLD.name, OLD.iccid, OLD.msisdn, HEX(OLD.id)
    FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
    DELETE FROM link_numbers WHERE org_id = OLD.org_id AND link_id = OLD.id;
END;
