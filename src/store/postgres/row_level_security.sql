-- Row-level security: what partners' requests read is behind a wall of the database's own.
-- Run by `migrate` where it is asked for, in one transaction, as the owner of the tables, any
-- number of times. The roles belong to the whole cluster, so they may be there already.
DO $$
DECLARE
    named text;
    of_tenant text;
    walled record;
BEGIN
    -- One instance at a time, on this database; on others of the cluster it may happen just now.
    PERFORM pg_advisory_xact_lock(hashtext('bappy.row_level_security'));
    FOREACH named IN ARRAY ARRAY['bappy_worker', 'bappy_tenant'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = named) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', named);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, named, 'MEMBER') THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', named, current_user);
            EXCEPTION WHEN unique_violation THEN NULL;
            END;
        END IF;
    END LOOP;

    EXECUTE format('GRANT USAGE ON SCHEMA %I TO bappy_worker, bappy_tenant', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO bappy_worker',
        current_schema());

    -- Every table that says whose a row is, whichever migration made it.
    FOR walled IN
        SELECT c.oid, c.relname,
            CASE c.relname WHEN 'organizations' THEN 'id' ELSE 'org_id' END AS owner_column
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
            AND (a.attname = 'org_id' OR (c.relname = 'organizations' AND a.attname = 'id'))
        ORDER BY c.relname
    LOOP
        -- Without a setting there is no organization, and no row is one's own.
        of_tenant := format('%I = nullif(current_setting(''bappy.organization'', true), '''')::uuid',
            walled.owner_column);
        EXECUTE format('GRANT SELECT ON %I TO bappy_tenant', walled.relname);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled.relname);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled.relname);
        EXECUTE format('DROP POLICY IF EXISTS workers ON %I', walled.relname);
        -- The owner by name too: it may have been made not to inherit what its roles may.
        EXECUTE format('CREATE POLICY workers ON %I TO bappy_worker, %I USING (true)',
            walled.relname, current_user);
        EXECUTE format('DROP POLICY IF EXISTS tenants ON %I', walled.relname);
        EXECUTE format('CREATE POLICY tenants ON %I FOR SELECT TO bappy_tenant USING (%s)',
            walled.relname, of_tenant);
    END LOOP;

    -- The catalogue is everybody's.
    GRANT SELECT ON plans, sponsors TO bappy_tenant;
END;
$$;
