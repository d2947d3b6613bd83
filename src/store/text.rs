//! The words that columns hold for the core's enumerations.
//!
//! **Invariant:** every word is one that the column's `CHECK` allows; a word that is not known
//! is [`DbError::Unreadable`], never a panic.

use super::DbError;
use bappy_actors::model::{
    ActivationStatus, Cleanup, CoverageType, Currency, EntryKind, Failure, LinkStatus,
    OperationKind, OperationState, OrgStatus, ProfileState, SimKind, SmsStatus,
};

/// A value that a column holds as one of a few words.
pub trait Text: Sized {
    /// Its word.
    fn word(&self) -> &'static str;
    /// The value of a word.
    fn from_word(word: &str) -> Result<Self, DbError>;
}

macro_rules! words {
    ($($of:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        impl Text for $of {
            fn word(&self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            fn from_word(word: &str) -> Result<Self, DbError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    other => Err(DbError::unreadable(stringify!($of), other)),
                }
            }
        }
    )+};
}

words! {
    OrgStatus { Active = "active", Suspended = "suspended" }
    LinkStatus { Active = "active", Suspended = "suspended", Inactive = "inactive" }
    SimKind { Esim = "esim", Physical = "physical" }
    ProfileState {
        Released = "released", Downloaded = "downloaded", Installed = "installed",
        Enabled = "enabled", Disabled = "disabled", Deleted = "deleted", Unknown = "unknown",
    }
    ActivationStatus {
        Active = "active", Depleted = "depleted", Expired = "expired", Cancelled = "cancelled",
    }
    CoverageType { Country = "country", Regional = "regional", Global = "global" }
    EntryKind {
        Credit = "credit", Activation = "activation", Topup = "topup", Refund = "refund",
        Sms = "sms", LinkFee = "link_fee", Adjustment = "adjustment",
    }
    OperationKind {
        CreateLink = "create_link", Topup = "topup", RemovePlan = "remove_plan",
        UpdateLink = "update_link", SendSms = "send_sms",
    }
    OperationState {
        Pending = "pending", Succeeded = "succeeded", Refunded = "refunded",
        Rejected = "rejected",
    }
    SmsStatus {
        Queued = "queued", Sent = "sent", Delivered = "delivered", Failed = "failed",
    }
    Cleanup { None = "none", Watching = "watching", Done = "done", Manual = "manual" }
    Failure {
        ProvisioningError = "PROVISIONING_ERROR", ProvisioningFailed = "PROVISIONING_FAILED",
        ProviderError = "PROVIDER_ERROR", ProviderUnavailable = "PROVIDER_UNAVAILABLE",
        ConfigError = "CONFIG_ERROR",
    }
}

/// A currency's code as read from a column.
pub fn currency(code: &str) -> Result<Currency, DbError> {
    code.parse().map_err(|_| DbError::unreadable("Currency", code))
}

/// A value as the JSON text that a column holds.
pub fn to_json<T: serde::Serialize>(value: &T) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|e| DbError::Unreadable(e.to_string()))
}

/// A value from the JSON text that a column holds.
pub fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|e| DbError::Unreadable(format!("{what}: {e}")))
}

/// Country codes as a column holds them: `DE,FR`.
pub fn codes_to_text(codes: &[String]) -> String {
    codes.join(",")
}

/// Country codes from a column.
pub fn codes_from_text(text: &str) -> Vec<String> {
    text.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect()
}
