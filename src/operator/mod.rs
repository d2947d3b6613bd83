//! Client of the operator protocol: the only module that knows its paths and fields.
