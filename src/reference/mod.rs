//! Reference data shipped with the binary: countries and mobile networks.
