-- Those that failed, by how. All that were refunded are as many as there are refunds; those that were
-- rejected are counted here, and so are, by their kind, those that were not charged as a plan is.
CREATE INDEX operations_by_failure ON operations (org_id, state, id, kind)
    WHERE state IN ('refunded', 'rejected');
