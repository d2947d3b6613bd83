-- In a transaction of its own: with what was built before it would take a stronger lock while others
-- already wait for the weaker.
DROP INDEX operations_unsuccessful;
