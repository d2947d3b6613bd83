//! Identifiers as types of their own, so that a Link's cannot be passed for an organization's.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

id!(
    /// An organization: the tenant.
    OrgId
);
id!(
    /// A Link: one card, eSIM or physical.
    LinkId
);
id!(
    /// An activation: one plan on one Link.
    ActivationId
);
id!(
    /// A plan of the catalogue.
    PlanId
);
id!(
    /// An operation; also the `reference` under which the operator knows it.
    OperationId
);
id!(
    /// A ledger entry; a Transaction's id in the API.
    EntryId
);
