-- How many Links an organization has, by kind and status: what counting them would give. Kept by the
-- database itself, so that it is right whoever changes a Link by hand.
CREATE TABLE link_counts (
    org_id     BLOB NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('esim', 'physical')),
    active     INTEGER NOT NULL,
    suspended  INTEGER NOT NULL,
    inactive   INTEGER NOT NULL,
    PRIMARY KEY (org_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER count_new_links AFTER INSERT ON links BEGIN
    INSERT INTO link_counts (org_id, kind, active, suspended, inactive)
    VALUES (NEW.org_id, NEW.kind, NEW.status = 'active', NEW.status = 'suspended',
        NEW.status = 'inactive')
    ON CONFLICT (org_id, kind) DO UPDATE SET active = active + excluded.active,
        suspended = suspended + excluded.suspended, inactive = inactive + excluded.inactive;
END;
CREATE TRIGGER count_link_change AFTER UPDATE OF status, kind ON links
WHEN OLD.status <> NEW.status OR OLD.kind <> NEW.kind BEGIN
    UPDATE link_counts SET active = active - (OLD.status = 'active'),
        suspended = suspended - (OLD.status = 'suspended'),
        inactive = inactive - (OLD.status = 'inactive')
    WHERE org_id = OLD.org_id AND kind = OLD.kind;
    INSERT INTO link_counts (org_id, kind, active, suspended, inactive)
    VALUES (NEW.org_id, NEW.kind, NEW.status = 'active', NEW.status = 'suspended',
        NEW.status = 'inactive')
    ON CONFLICT (org_id, kind) DO UPDATE SET active = active + excluded.active,
        suspended = suspended + excluded.suspended, inactive = inactive + excluded.inactive;
END;

INSERT INTO link_counts (org_id, kind, active, suspended, inactive)
SELECT org_id, kind, SUM(status = 'active'), SUM(status = 'suspended'), SUM(status = 'inactive')
FROM links GROUP BY org_id, kind;
