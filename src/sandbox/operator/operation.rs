//! The operator's operations, by the names that faults and the journal use.

use serde::{Deserialize, Serialize};

/// One kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /api/login`
    Login,
    /// `GET /api/catalogue`
    Catalogue,
    /// `GET /api/sims`
    ListSims,
    /// `GET /api/sims/{iccid}`
    GetSim,
    /// `POST /api/endpoints`
    CreateEndpoint,
    /// `GET /api/endpoints/{id}`
    GetEndpoint,
    /// `GET /api/endpoints?iccid=`
    FindEndpoint,
    /// `POST /api/endpoints/{id}/plans`
    AddPlan,
    /// `DELETE /api/endpoints/{id}/plans/{instance_id}`
    RemovePlan,
    /// `PATCH /api/endpoints/{id}`
    SetStatus,
    /// `GET /api/endpoints/{id}/connectivity`
    Connectivity,
    /// `POST /api/endpoints/{id}/sms`
    SendSms,
    /// `GET /api/endpoints/{id}/sms`
    FindSms,
    /// `GET /api/sms/{sms_id}`
    GetSms,
    /// `GET /api/ping`
    Ping,
}
