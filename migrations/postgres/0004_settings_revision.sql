-- How often what requests look up again and again has changed: organizations and their clients (1),
-- the catalogue and what it costs (2). Instances remember what they looked up for as long as the sum
-- stays the same. A transaction counts once, however many rows it changes, and before it changes the
-- first: two of the same kind wait for each other there. An import of the catalogue does not keep an
-- organization from being suspended.
CREATE TABLE settings_revision (
    part      INTEGER PRIMARY KEY CHECK (part IN (1, 2)),
    revision  BIGINT NOT NULL
);
INSERT INTO settings_revision (part, revision) VALUES (1, 0), (2, 0);

CREATE FUNCTION settings_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    counted TEXT := 'bappy.settings_change_' || TG_ARGV[0];
BEGIN
    IF COALESCE(current_setting(counted, TRUE), '') = '' THEN
        UPDATE settings_revision SET revision = revision + 1 WHERE part = TG_ARGV[0]::INTEGER;
        PERFORM set_config(counted, 'counted', TRUE);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON organizations
    EXECUTE FUNCTION settings_change('1');
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON organization_clients
    EXECUTE FUNCTION settings_change('1');
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON sponsors
    EXECUTE FUNCTION settings_change('2');
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON plans
    EXECUTE FUNCTION settings_change('2');
CREATE TRIGGER settings_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON organization_plans
    EXECUTE FUNCTION settings_change('2');
