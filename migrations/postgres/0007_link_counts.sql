-- How many Links an organization has, by kind and status: what counting them would give. Kept by the
-- database itself, so that it is right whichever version of the service writes, and whoever changes a
-- Link by hand.
CREATE TABLE link_counts (
    org_id     UUID NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('esim', 'physical')),
    active     BIGINT NOT NULL,
    suspended  BIGINT NOT NULL,
    inactive   BIGINT NOT NULL,
    PRIMARY KEY (org_id, kind)
) WITH (fillfactor = 50);

-- Behind row-level security an instance of the version before may write only what it was granted.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'bappy_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON link_counts TO bappy_worker;
    END IF;
END
$$;

CREATE FUNCTION count_new_links() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO link_counts AS c (org_id, kind, active, suspended, inactive)
    SELECT org_id, kind, COUNT(*) FILTER (WHERE status = 'active'),
        COUNT(*) FILTER (WHERE status = 'suspended'), COUNT(*) FILTER (WHERE status = 'inactive')
    FROM added GROUP BY org_id, kind ORDER BY org_id, kind
    ON CONFLICT (org_id, kind) DO UPDATE SET active = c.active + excluded.active,
        suspended = c.suspended + excluded.suspended, inactive = c.inactive + excluded.inactive;
    RETURN NULL;
END
$$;

-- Whoever waits for the row of counts waits in a commit, which no limit of statements ends.
CREATE FUNCTION count_link_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
    SET lock_timeout = '4s' AS $$
BEGIN
    IF OLD.kind = NEW.kind THEN
        UPDATE link_counts SET
            active = active + (NEW.status = 'active')::INTEGER - (OLD.status = 'active')::INTEGER,
            suspended = suspended + (NEW.status = 'suspended')::INTEGER
                - (OLD.status = 'suspended')::INTEGER,
            inactive = inactive + (NEW.status = 'inactive')::INTEGER
                - (OLD.status = 'inactive')::INTEGER
        WHERE org_id = NEW.org_id AND kind = NEW.kind;
        RETURN NULL;
    END IF;
    UPDATE link_counts SET active = active - (OLD.status = 'active')::INTEGER,
        suspended = suspended - (OLD.status = 'suspended')::INTEGER,
        inactive = inactive - (OLD.status = 'inactive')::INTEGER
    WHERE org_id = OLD.org_id AND kind = OLD.kind;
    INSERT INTO link_counts AS c (org_id, kind, active, suspended, inactive)
    VALUES (NEW.org_id, NEW.kind, (NEW.status = 'active')::INTEGER,
        (NEW.status = 'suspended')::INTEGER, (NEW.status = 'inactive')::INTEGER)
    ON CONFLICT (org_id, kind) DO UPDATE SET active = c.active + excluded.active,
        suspended = c.suspended + excluded.suspended, inactive = c.inactive + excluded.inactive;
    RETURN NULL;
END
$$;

-- A batch of new Links is counted once, at the end of its statement, which is its transaction's. A
-- change of status is counted at the commit: whoever waits for the row of counts has by then locked all
-- else that it will, so nobody waits in a ring. By hand, change some hundred at a time, each with its commit:
-- every one of a transaction goes through the versions of the row that those before it left.
CREATE TRIGGER count_new_links AFTER INSERT ON links REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_new_links();
CREATE CONSTRAINT TRIGGER count_link_change AFTER UPDATE OF status, kind ON links
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.kind <> NEW.kind)
    EXECUTE FUNCTION count_link_change();

-- Writers have waited since the first trigger: what is there now is all there is.
INSERT INTO link_counts (org_id, kind, active, suspended, inactive)
SELECT org_id, kind, COUNT(*) FILTER (WHERE status = 'active'),
    COUNT(*) FILTER (WHERE status = 'suspended'), COUNT(*) FILTER (WHERE status = 'inactive')
FROM links GROUP BY org_id, kind;
