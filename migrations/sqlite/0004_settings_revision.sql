-- How often what requests look up again and again has changed: organizations and their clients (1),
-- the catalogue and what it costs (2). The service remembers what it looked up for as long as the sum
-- stays the same.
CREATE TABLE settings_revision (
    part      INTEGER NOT NULL PRIMARY KEY CHECK (part IN (1, 2)),
    revision  INTEGER NOT NULL
) STRICT;
INSERT INTO settings_revision (part, revision) VALUES (1, 0), (2, 0);

CREATE TRIGGER organizations_insert AFTER INSERT ON organizations BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 1;
END;
CREATE TRIGGER organizations_update AFTER UPDATE ON organizations BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 1;
END;
CREATE TRIGGER organizations_delete AFTER DELETE ON organizations BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 1;
END;
CREATE TRIGGER organization_clients_insert AFTER INSERT ON organization_clients BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 1;
END;
CREATE TRIGGER organization_clients_update AFTER UPDATE ON organization_clients BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 1;
END;
CREATE TRIGGER organization_clients_delete AFTER DELETE ON organization_clients BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 1;
END;
CREATE TRIGGER sponsors_insert AFTER INSERT ON sponsors BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER sponsors_update AFTER UPDATE ON sponsors BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER sponsors_delete AFTER DELETE ON sponsors BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER plans_insert AFTER INSERT ON plans BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER plans_update AFTER UPDATE ON plans BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER plans_delete AFTER DELETE ON plans BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER organization_plans_insert AFTER INSERT ON organization_plans BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER organization_plans_update AFTER UPDATE ON organization_plans BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
CREATE TRIGGER organization_plans_delete AFTER DELETE ON organization_plans BEGIN
    UPDATE settings_revision SET revision = revision + 1 WHERE part = 2;
END;
