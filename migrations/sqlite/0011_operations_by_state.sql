-- Those that failed, by how: the refunded are as many as there are refunds, so only the rejected, which
-- are rare, are counted here.
CREATE INDEX operations_by_failure ON operations (org_id, state, id, kind)
    WHERE state IN ('refunded', 'rejected');
