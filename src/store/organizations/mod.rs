//! Organizations, their wallets' beginnings and the client ids registered for them.
//!
//! Called by the commands `bappy org …`, and by the edge, which finds the organization of a token.
//! **Invariant:** an organization, its wallet and its clients are made together; a new wallet
//! holds nothing. What an organization may not be is said before anything is written, so an inner
//! `Err` has changed nothing.

mod check;

use self::check::{check_client, check_new, check_values};
use super::{DbError, Text, Time, Tx, is_unique_violation, text};
use bappy_actors::model::{Currency, Money, OrgId, OrgStatus, Organization, Timestamp};
use uuid::Uuid;

/// Why an organization cannot be made, found or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrganizationError {
    /// Another one has the slug.
    #[error("the slug `{0}` is taken")]
    SlugTaken(String),
    /// A client id belongs to an organization already.
    #[error("the client id `{client_id}` is registered for `{slug}`")]
    ClientTaken {
        /// The client id.
        client_id: String,
        /// Whose it is.
        slug: String,
    },
    /// There is none with this slug.
    #[error("there is no organization `{0}`")]
    Unknown(String),
    /// A value that cannot be.
    #[error("{0}")]
    Invalid(String),
}

/// What a new organization needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrganization {
    /// Its id.
    pub id: OrgId,
    /// Its short name: lower-case letters, digits and inner hyphens.
    pub slug: String,
    /// Its display name.
    pub name: String,
    /// The currency of its wallet.
    pub currency: Currency,
    /// What an SMS costs it.
    pub price_per_sms: Money,
    /// What a Link costs it a month.
    pub price_per_link: Money,
    /// Client ids of the identity provider, for tokens that carry no organization.
    pub clients: Vec<String>,
}

/// What is to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The display name.
    pub name: Option<String>,
    /// What an SMS costs.
    pub price_per_sms: Option<Money>,
    /// What a Link costs a month.
    pub price_per_link: Option<Money>,
}

/// An organization with what is in its wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The organization.
    pub organization: Organization,
    /// The balance of its wallet.
    pub balance: Money,
    /// How many Links it has.
    pub links_total: i64,
    /// Its client ids, in order.
    pub clients: Vec<String>,
}

/// Columns of [`Row`] for a table `organizations o`.
macro_rules! columns {
    () => {
        "o.id, o.slug, o.name, o.status, o.currency, o.price_per_sms, o.price_per_link,
         o.created_at"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    slug: String,
    name: String,
    status: String,
    currency: String,
    price_per_sms: i64,
    price_per_link: i64,
    created_at: Time,
}

impl TryFrom<Row> for Organization {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: OrgId(row.id),
            slug: row.slug,
            name: row.name,
            status: OrgStatus::from_word(&row.status)?,
            currency: text::currency(&row.currency)?,
            price_per_sms: Money::from_micros(row.price_per_sms),
            price_per_link: Money::from_micros(row.price_per_link),
            created_at: row.created_at.into(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct AccountRow {
    #[sqlx(flatten)]
    organization: Row,
    balance: i64,
    links_total: i64,
}

type Outcome<T> = Result<Result<T, OrganizationError>, DbError>;

/// Makes an organization, its wallet at 0.00 and its clients.
pub async fn create(tx: &mut Tx, new: &NewOrganization, at: Timestamp) -> Outcome<Organization> {
    if let Err(error) = check_new(new) {
        return Ok(Err(error));
    }
    if by_slug(tx, &new.slug).await?.is_some() {
        return Ok(Err(OrganizationError::SlugTaken(new.slug.clone())));
    }
    for client_id in &new.clients {
        match client_taken(tx, client_id).await? {
            // Made at the same time elsewhere, between the two looks.
            Some(OrganizationError::ClientTaken { slug, .. }) if slug == new.slug => {
                return Ok(Err(OrganizationError::SlugTaken(slug)));
            }
            Some(taken) => return Ok(Err(taken)),
            None => {}
        }
    }
    let inserted = exec!(
        tx,
        "INSERT INTO organizations (id, slug, name, status, currency, price_per_sms,
             price_per_link, created_at, updated_at)
         VALUES ($1, $2, $3, 'active', $4, $5, $6, $7, $7)",
        new.id.0,
        new.slug.as_str(),
        new.name.trim(),
        new.currency.as_str(),
        new.price_per_sms.micros(),
        new.price_per_link.micros(),
        Time::from(at)
    );
    match inserted {
        // Made at the same time elsewhere, which only PostgreSQL allows; there the transaction is
        // aborted by this, and its commit changes nothing.
        Err(error) if is_unique_violation(&error) => {
            return Ok(Err(OrganizationError::SlugTaken(new.slug.clone())));
        }
        other => other?,
    };
    exec!(
        tx,
        "INSERT INTO wallets
             (org_id, balance, version, fence, links_total, operations_total, updated_at)
         VALUES ($1, 0, 0, 0, 0, 0, $2)",
        new.id.0,
        Time::from(at)
    )?;
    for client_id in &new.clients {
        insert_client(tx, new.id, client_id, at).await?;
    }
    match by_id(tx, new.id).await? {
        Some(organization) => Ok(Ok(organization)),
        None => Err(DbError::Unreadable("an organization just made is not there".to_owned())),
    }
}

/// Registers a client id for an organization; one that it has already stays.
pub async fn add_client(tx: &mut Tx, slug: &str, client_id: &str, at: Timestamp) -> Outcome<()> {
    if let Err(error) = check_client(client_id) {
        return Ok(Err(error));
    }
    let Some(organization) = by_slug(tx, slug).await? else {
        return Ok(Err(OrganizationError::Unknown(slug.to_owned())));
    };
    match client_taken(tx, client_id).await? {
        Some(OrganizationError::ClientTaken { slug, .. }) if slug == organization.slug => {
            return Ok(Ok(()));
        }
        Some(taken) => return Ok(Err(taken)),
        None => {}
    }
    insert_client(tx, organization.id, client_id, at).await.map(Ok)
}

/// Suspends an organization, or activates it again.
pub async fn set_status(
    tx: &mut Tx,
    slug: &str,
    status: OrgStatus,
    at: Timestamp,
) -> Outcome<Organization> {
    exec!(
        tx,
        "UPDATE organizations SET status = $2, updated_at = $3 WHERE slug = $1 AND status <> $2",
        slug,
        status.word(),
        Time::from(at)
    )?;
    found(tx, slug).await
}

/// Changes an organization's name and prices, where given.
pub async fn set(
    tx: &mut Tx,
    slug: &str,
    changes: &Changes,
    at: Timestamp,
) -> Outcome<Organization> {
    if let Err(error) =
        check_values(changes.name.as_deref(), changes.price_per_sms, changes.price_per_link)
    {
        return Ok(Err(error));
    }
    exec!(
        tx,
        "UPDATE organizations SET name = COALESCE($2, name),
             price_per_sms = COALESCE($3, price_per_sms),
             price_per_link = COALESCE($4, price_per_link), updated_at = $5
         WHERE slug = $1",
        slug,
        changes.name.as_deref().map(str::trim),
        changes.price_per_sms.map(Money::micros),
        changes.price_per_link.map(Money::micros),
        Time::from(at)
    )?;
    found(tx, slug).await
}

/// All organizations by slug, without their clients.
pub async fn list(tx: &mut Tx) -> Result<Vec<Account>, DbError> {
    let rows = all!(
        tx,
        AccountRow,
        concat!(
            "SELECT ",
            columns!(),
            ", w.balance, w.links_total
             FROM organizations o JOIN wallets w ON w.org_id = o.id ORDER BY o.slug"
        )
    )?;
    rows.into_iter().map(|row| account(row, Vec::new())).collect()
}

/// An organization with its balance and clients.
pub async fn show(tx: &mut Tx, slug: &str) -> Outcome<Account> {
    let row = opt!(
        tx,
        AccountRow,
        concat!(
            "SELECT ",
            columns!(),
            ", w.balance, w.links_total
             FROM organizations o JOIN wallets w ON w.org_id = o.id WHERE o.slug = $1"
        ),
        slug
    )?;
    let Some(row) = row else { return Ok(Err(OrganizationError::Unknown(slug.to_owned()))) };
    let clients = all!(
        tx,
        (String,),
        "SELECT client_id FROM organization_clients WHERE org_id = $1 ORDER BY client_id",
        row.organization.id
    )?;
    account(row, clients.into_iter().map(|(client_id,)| client_id).collect()).map(Ok)
}

/// The organization with an id.
pub async fn by_id(tx: &mut Tx, id: OrgId) -> Result<Option<Organization>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!("SELECT ", columns!(), " FROM organizations o WHERE o.id = $1"),
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// The organization with a slug.
pub async fn by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Organization>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!("SELECT ", columns!(), " FROM organizations o WHERE o.slug = $1"),
        slug
    )?;
    row.map(TryInto::try_into).transpose()
}

/// The organization that a client id is registered for.
pub async fn by_client(tx: &mut Tx, client_id: &str) -> Result<Option<Organization>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!(
            "SELECT ",
            columns!(),
            " FROM organization_clients c JOIN organizations o ON o.id = c.org_id
             WHERE c.client_id = $1"
        ),
        client_id
    )?;
    row.map(TryInto::try_into).transpose()
}

async fn found(tx: &mut Tx, slug: &str) -> Outcome<Organization> {
    let organization = by_slug(tx, slug).await?;
    Ok(organization.ok_or_else(|| OrganizationError::Unknown(slug.to_owned())))
}

async fn client_taken(tx: &mut Tx, client_id: &str) -> Result<Option<OrganizationError>, DbError> {
    Ok(by_client(tx, client_id).await?.map(|owner| OrganizationError::ClientTaken {
        client_id: client_id.to_owned(),
        slug: owner.slug,
    }))
}

async fn insert_client(
    tx: &mut Tx,
    org: OrgId,
    client_id: &str,
    at: Timestamp,
) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO organization_clients (client_id, org_id, created_at) VALUES ($1, $2, $3)",
        client_id,
        org.0,
        Time::from(at)
    )?;
    Ok(())
}

fn account(row: AccountRow, clients: Vec<String>) -> Result<Account, DbError> {
    Ok(Account {
        organization: row.organization.try_into()?,
        balance: Money::from_micros(row.balance),
        links_total: row.links_total,
        clients,
    })
}
