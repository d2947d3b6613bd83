-- How often what requests look up again and again has changed: organizations, their clients, plans
-- and what they cost. Instances remember what they looked up for as long as this stays the same.
-- A trigger before the statement takes this row's lock before any other, so that two changes at once
-- wait for each other and cannot deadlock.
CREATE TABLE settings_revision (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    revision  BIGINT NOT NULL
);
INSERT INTO settings_revision (one, revision) VALUES (1, 0);

CREATE FUNCTION settings_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE settings_revision SET revision = revision + 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON organizations
    EXECUTE FUNCTION settings_change();
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON organization_clients
    EXECUTE FUNCTION settings_change();
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON sponsors
    EXECUTE FUNCTION settings_change();
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON plans
    EXECUTE FUNCTION settings_change();
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON organization_plans
    EXECUTE FUNCTION settings_change();
