//! What the sandbox starts with: three organizations, money, the operator's catalogue, cards.
//!
//! **Invariant.** Seeding again changes nothing that is there: a sandbox keeps its data between
//! runs.

use crate::app::{self, Parts};
use crate::config::Config;
use crate::operator::catalogue;
use crate::store::catalogue::{self as offers, Selection, Terms};
use crate::store::organizations::{self, NewOrganization};
use crate::store::{DbError, stock};
use bappy_actors::model::{Currency, EntryId, EntryKind, Money, OrgId, OrgStatus, SimKind};
use bappy_actors::ports::{Operator, SimCard};
use bappy_actors::wallet::{Command, Credit};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The organizations; each client id is the slug and its secret `<slug>-secret`.
pub const SLUGS: [&str; 3] = ["acme", "globex", "initech"];
/// Physical cards in each organization's stock.
const PHYSICAL_SIMS: usize = 10;
/// What a dollar is in euros, in the sandbox.
const EUR_PER_USD: &str = "0.90";
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

struct Tenant {
    slug: &'static str,
    name: &'static str,
    currency: &'static str,
    credit: Option<&'static str>,
    status: OrgStatus,
}

const TENANTS: [Tenant; 3] = [
    Tenant {
        slug: "acme",
        name: "Acme Travel",
        currency: "USD",
        credit: Some("1000.00"),
        status: OrgStatus::Active,
    },
    Tenant {
        slug: "globex",
        name: "Globex IoT",
        currency: "EUR",
        credit: Some("50.00"),
        status: OrgStatus::Active,
    },
    Tenant {
        slug: "initech",
        name: "Initech",
        currency: "USD",
        credit: None,
        status: OrgStatus::Suspended,
    },
];

/// Why the sandbox cannot be seeded.
pub type SeedError = Box<dyn std::error::Error + Send + Sync>;

/// Seeds what is missing.
pub async fn seed(config: &Config) -> Result<(), SeedError> {
    let parts = app::open(config).await?;
    let operator = app::operator(&config.required()?)?;
    let at = parts.clock.now();
    let items = catalogue::fetch(&*operator, CALL_TIMEOUT).await?;
    let ids = std::sync::Arc::clone(&parts.ids);
    parts
        .database
        .write(move |tx| Box::pin(async move { offers::sync(tx, &items, true, &*ids, at).await }))
        .await?;
    for (place, tenant) in TENANTS.iter().enumerate() {
        let known = {
            let mut tx = parts.database.read().await?;
            organizations::by_slug(&mut tx, tenant.slug).await?
        };
        if known.is_none() {
            make(&parts, &*operator, tenant, place).await?;
        }
    }
    Ok(())
}

async fn make(
    parts: &Parts,
    operator: &dyn Operator,
    tenant: &Tenant,
    place: usize,
) -> Result<(), SeedError> {
    let id = OrgId(parts.ids.next());
    let at = parts.clock.now();
    let new = NewOrganization {
        id,
        slug: tenant.slug.to_owned(),
        name: tenant.name.to_owned(),
        currency: tenant.currency.parse::<Currency>()?,
        price_per_sms: "0.05".parse()?,
        price_per_link: "0.50".parse()?,
        clients: vec![tenant.slug.to_owned()],
    };
    let sims = physical_sims(operator, place).await?;
    let euros = Decimal::from_str_exact(EUR_PER_USD)?;
    let rates = BTreeMap::from([("USD".parse::<Currency>()?, euros)]);
    // A dollar wallet needs no rate; one that is given for its own currency would be used.
    let rates = if tenant.currency == "USD" { BTreeMap::new() } else { rates };
    let status = tenant.status;
    let slug = tenant.slug;
    let made = parts.database.write(move |tx| {
        Box::pin(async move {
            if let Err(error) = organizations::create(tx, &new, at).await? {
                return Ok(Err(error.to_string()));
            }
            let terms = Terms { markup_percent: None, rates };
            if let Err(error) = offers::enable(tx, id, &Selection::All, &terms, at).await? {
                return Ok(Err(error.to_string()));
            }
            stock::add(tx, id, &sims, at).await?;
            if let Err(error) = organizations::set_status(tx, slug, status, at).await? {
                return Ok(Err(error.to_string()));
            }
            Ok::<_, DbError>(Ok(()))
        })
    });
    made.await??;
    if let Some(credit) = tenant.credit {
        let credit = Command::Credit(Credit {
            entry_id: EntryId(parts.ids.next()),
            kind: EntryKind::Credit,
            amount: credit.parse::<Money>()?,
            reference: Some("sandbox".to_owned()),
            description: "Credit: sandbox".to_owned(),
        });
        app::credit(parts, id, credit).await?;
    }
    Ok(())
}

/// Ten cards of the operator's, others for each organization.
async fn physical_sims(operator: &dyn Operator, place: usize) -> Result<Vec<SimCard>, SeedError> {
    let broken = |error| format!("the operator's cards cannot be listed: {error:?}");
    let token = operator.login(CALL_TIMEOUT).await.map_err(broken)?;
    let page = operator.catalogue(&token, 1, 1, CALL_TIMEOUT).await.map_err(broken)?;
    let sponsor = page.items.first().map_or("", |item| item.sponsor.id.as_str());
    let limit = u32::try_from(PHYSICAL_SIMS * TENANTS.len())?;
    let (kind, after) = (SimKind::Physical, None);
    let sims = operator
        .list_sims(&token, sponsor, kind, limit, after, CALL_TIMEOUT)
        .await
        .map_err(broken)?;
    Ok(sims.into_iter().skip(place * PHYSICAL_SIMS).take(PHYSICAL_SIMS).collect())
}

/// How to go on: a few lines that can be pasted.
pub fn welcome(config: &Config, addr: SocketAddr, issuer: &str) -> Result<String, SeedError> {
    let base = format!("http://{addr}{}/v1", config.base_path);
    Ok(format!(
        r#"Bappy sandbox: API {base}  operator {operator}  identity {issuer}
Reference, to read and to try: http://{addr}/docs

# a token (organizations: acme, globex, initech)
TOKEN=$(curl -s {issuer}/protocol/openid-connect/token -d grant_type=client_credentials \
  -d client_id=acme -d client_secret=acme-secret | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
# a plan, a Link with it, and the same plan once more
PLAN=$(curl -s "{base}/plans?per_page=1" -H "Authorization: Bearer $TOKEN" | sed 's/.*"data":\[{{"id":"\([^"]*\)".*/\1/')
LINK=$(curl -s {base}/links -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \
  -d "{{\"plan_id\":\"$PLAN\",\"name\":\"My first Link\"}}" | tee /dev/stderr | sed 's/.*"data":{{"id":"\([^"]*\)".*/\1/')
curl -s -X PUT {base}/links/$LINK/plans -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \
  -d "{{\"add\":[\"$PLAN\"]}}"
curl -s {base}/organization/balance -H "Authorization: Bearer $TOKEN"
"#,
        operator = config.operator.url.as_ref().map_or("", url::Url::as_str),
    ))
}
