//! The dashboards, made from code so that all of them look and work alike. `grafana/dashboards` is
//! what comes out; a test compares it.

mod money;
mod operator;
mod panel;
mod runtime;
mod service;

use panel::Dashboard;
use serde_json::Value;

/// All dashboards with the names of their files.
pub fn all() -> [(&'static str, Value); 4] {
    let file = |name, dashboard: Dashboard| (name, dashboard.json());
    [
        file("service", service::dashboard()),
        file("money", money::dashboard()),
        file("operator", operator::dashboard()),
        file("runtime", runtime::dashboard()),
    ]
}
