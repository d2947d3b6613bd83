-- How many SMS an organization has, by status, kept as the counts of Links are.
CREATE TABLE sms_counts (
    org_id     BLOB NOT NULL PRIMARY KEY,
    queued     INTEGER NOT NULL,
    sent       INTEGER NOT NULL,
    delivered  INTEGER NOT NULL,
    failed     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER count_new_sms AFTER INSERT ON sms BEGIN
    INSERT INTO sms_counts (org_id, queued, sent, delivered, failed)
    VALUES (NEW.org_id, NEW.status = 'queued', NEW.status = 'sent', NEW.status = 'delivered',
        NEW.status = 'failed')
    ON CONFLICT (org_id) DO UPDATE SET queued = queued + excluded.queued,
        sent = sent + excluded.sent, delivered = delivered + excluded.delivered,
        failed = failed + excluded.failed;
END;
CREATE TRIGGER count_sms_status AFTER UPDATE OF status ON sms WHEN OLD.status <> NEW.status BEGIN
    UPDATE sms_counts SET
        queued = queued + (NEW.status = 'queued') - (OLD.status = 'queued'),
        sent = sent + (NEW.status = 'sent') - (OLD.status = 'sent'),
        delivered = delivered + (NEW.status = 'delivered') - (OLD.status = 'delivered'),
        failed = failed + (NEW.status = 'failed') - (OLD.status = 'failed')
    WHERE org_id = NEW.org_id;
END;

INSERT INTO sms_counts (org_id, queued, sent, delivered, failed)
SELECT org_id, SUM(status = 'queued'), SUM(status = 'sent'), SUM(status = 'delivered'),
    SUM(status = 'failed')
FROM sms GROUP BY org_id;
