SET LOCAL lock_timeout = '4s';
ALTER TABLE activations
    DROP CONSTRAINT activations_status_check,
    ADD CONSTRAINT activations_values CHECK (status::activation_status IS NOT NULL) NOT VALID;
