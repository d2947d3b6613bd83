-- In a transaction of its own, as the one before.
DROP INDEX operations_unsuccessful;
