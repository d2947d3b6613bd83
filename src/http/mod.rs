//! HTTP edge: router, envelope, errors, extractors; one folder a resource, one file an endpoint.
