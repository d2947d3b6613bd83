-- How many SMS an organization has, by status, kept as the counts of Links are. In a migration of its
-- own: writers are kept out of one table at a time.
CREATE TABLE sms_counts (
    org_id     UUID PRIMARY KEY,
    queued     BIGINT NOT NULL,
    sent       BIGINT NOT NULL,
    delivered  BIGINT NOT NULL,
    failed     BIGINT NOT NULL
) WITH (fillfactor = 50);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'bappy_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON sms_counts TO bappy_worker;
    END IF;
END
$$;

CREATE FUNCTION count_new_sms() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO sms_counts AS c (org_id, queued, sent, delivered, failed)
    SELECT org_id, COUNT(*) FILTER (WHERE status = 'queued'), COUNT(*) FILTER (WHERE status = 'sent'),
        COUNT(*) FILTER (WHERE status = 'delivered'), COUNT(*) FILTER (WHERE status = 'failed')
    FROM added GROUP BY org_id ORDER BY org_id
    ON CONFLICT (org_id) DO UPDATE SET queued = c.queued + excluded.queued,
        sent = c.sent + excluded.sent, delivered = c.delivered + excluded.delivered,
        failed = c.failed + excluded.failed;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_sms_status() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
    SET lock_timeout = '4s' AS $$
BEGIN
    UPDATE sms_counts SET
        queued = queued + (NEW.status = 'queued')::INTEGER - (OLD.status = 'queued')::INTEGER,
        sent = sent + (NEW.status = 'sent')::INTEGER - (OLD.status = 'sent')::INTEGER,
        delivered = delivered + (NEW.status = 'delivered')::INTEGER
            - (OLD.status = 'delivered')::INTEGER,
        failed = failed + (NEW.status = 'failed')::INTEGER - (OLD.status = 'failed')::INTEGER
    WHERE org_id = NEW.org_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER count_new_sms AFTER INSERT ON sms REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_new_sms();
CREATE CONSTRAINT TRIGGER count_sms_status AFTER UPDATE OF status ON sms
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.status <> NEW.status)
    EXECUTE FUNCTION count_sms_status();

INSERT INTO sms_counts (org_id, queued, sent, delivered, failed)
SELECT org_id, COUNT(*) FILTER (WHERE status = 'queued'), COUNT(*) FILTER (WHERE status = 'sent'),
    COUNT(*) FILTER (WHERE status = 'delivered'), COUNT(*) FILTER (WHERE status = 'failed')
FROM sms GROUP BY org_id;
