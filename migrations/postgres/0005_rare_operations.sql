-- Top-ups behind a million of something else are found as fast as any; those that failed are counted
-- without being read.
CREATE INDEX operations_topup ON operations (org_id, id) WHERE kind = 'topup';
CREATE INDEX operations_unsuccessful ON operations (org_id, id, state, kind)
    WHERE state IN ('refunded', 'rejected');
