//! A real Prometheus on a free port, and its HTTP API.
