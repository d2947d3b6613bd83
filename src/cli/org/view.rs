//! An organization as commands print it.

use super::Session;
use crate::cli::Failed;
use crate::cli::output::Format;
use crate::http::show;
use crate::store::organizations::{self, Account};
use bappy_actors::model::{Currency, Money, OrgId, OrgStatus, Timestamp};
use serde::Serialize;

/// An organization with what is in its wallet.
#[derive(Serialize)]
pub(super) struct OrganizationView {
    pub id: OrgId,
    pub slug: String,
    pub name: String,
    pub status: OrgStatus,
    pub currency: Currency,
    pub balance: Money,
    pub price_per_sms: Money,
    pub price_per_link: Money,
    pub links_total: i64,
    /// None in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<String>>,
    #[serde(serialize_with = "show::at")]
    pub created_at: Timestamp,
}

impl OrganizationView {
    pub(super) fn new(account: Account, with_clients: bool) -> Self {
        let organization = account.organization;
        Self {
            id: organization.id,
            slug: organization.slug,
            name: organization.name,
            status: organization.status,
            currency: organization.currency,
            balance: account.balance,
            price_per_sms: organization.price_per_sms,
            price_per_link: organization.price_per_link,
            links_total: account.links_total,
            clients: with_clients.then_some(account.clients),
            created_at: organization.created_at,
        }
    }

    /// In lines.
    pub(super) fn lines(&self) -> String {
        let currency = self.currency;
        let clients = self.clients.as_deref().unwrap_or_default();
        let clients = if clients.is_empty() { "none".to_owned() } else { clients.join(", ") };
        format!(
            "Organization    {}\nId              {}\nName            {}\nStatus          {}\n\
             Balance         {} {currency}\nPrice per SMS   {} {currency}\n\
             Price per Link  {} {currency} a month\nLinks           {}\nClients         {clients}\n\
             Created         {}",
            self.slug,
            self.id,
            self.name,
            word(self.status),
            self.balance,
            self.price_per_sms,
            self.price_per_link,
            self.links_total,
            show::time(self.created_at)
        )
    }
}

/// A status as it is printed.
pub(super) fn word(status: OrgStatus) -> &'static str {
    match status {
        OrgStatus::Active => "active",
        OrgStatus::Suspended => "suspended",
    }
}

/// Prints an organization as it stands; for people in one sentence.
pub(super) async fn print_changed(
    session: &Session,
    slug: &str,
    format: Format,
    sentence: impl FnOnce(&OrganizationView) -> String,
) -> Result<(), Failed> {
    let account = {
        let mut tx = session.parts.database.read().await?;
        organizations::show(&mut tx, slug).await??
    };
    format.print(&OrganizationView::new(account, true), sentence)
}
