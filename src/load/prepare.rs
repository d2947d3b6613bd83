//! What a run stands on: tokens, a plan, Links, and money enough.

use super::api::{self, ApiClient, Offer};
use super::client::{self, Client, Clients, Token};
use super::scenario::Prepared;
use super::wallet::Wallet;
use super::{LoadError, Scenario, Target};
use bappy_actors::model::Money;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use hyper::header::HeaderValue;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::task::JoinHandle;

/// Organizations prepared at a time, and Links made at a time for each: enough to be quick, few
/// enough for any service.
const AT_A_TIME: usize = 8;

/// What is to be prepared.
#[derive(Clone)]
pub struct Preparation {
    /// The service.
    pub target: Target,
    /// Who calls it.
    pub clients: Clients,
    /// What will be called.
    pub scenario: Scenario,
    /// Links of each organization.
    pub links: usize,
    /// The plan to buy; without it the cheapest.
    pub plan: Option<String>,
    /// The most that each organization may be charged, the Links made for it included.
    pub spend_max: Option<Money>,
}

/// Organizations that are ready; their tokens are renewed until this is dropped.
pub struct Ready {
    /// Their wallets.
    pub wallets: Vec<Rc<Wallet>>,
    renewals: Vec<JoinHandle<()>>,
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.renewals.iter().for_each(JoinHandle::abort);
    }
}

/// Prepares the organizations of all clients; `made` is told of each Link that was made. To be
/// called inside of a `LocalSet`.
pub async fn prepare(what: &Preparation, made: &dyn Fn()) -> Result<Ready, LoadError> {
    let http = api::http_client()?;
    let mut ready = Ready { wallets: Vec::new(), renewals: Vec::new() };
    match &what.clients {
        Clients::Token(token) => {
            let api = ApiClient::new(http, what.target.clone(), token.clone());
            ready
                .wallets
                .push(Rc::new(wallet(what, api, token, what.plan.as_deref(), made).await?));
        }
        Clients::Credentials { token_url, clients } => {
            let Some((first, others)) = clients.split_first() else {
                return Err(LoadError("there is no client".to_owned()));
            };
            let one = async |client: Client, plan: Option<String>| {
                let token = client::token(&http, token_url, &client).await?;
                let api =
                    ApiClient::new(http.clone(), what.target.clone(), token.access_token.clone());
                let wallet = wallet(what, api, &token.access_token, plan.as_deref(), made).await?;
                let wallet = Rc::new(wallet);
                let renewal = renew(http.clone(), token_url.clone(), client, token, wallet.clone());
                Ok::<_, LoadError>((wallet, renewal))
            };
            let (wallet, renewal) = one(first.clone(), what.plan.clone()).await?;
            // What is cheapest for one is for all: looked for once.
            let plan = Some(wallet.plan.clone());
            ready.wallets.push(wallet);
            ready.renewals.push(tokio::task::spawn_local(renewal));
            let mut more = stream::iter(others.iter().cloned())
                .map(|client| one(client, plan.clone()))
                .buffered(AT_A_TIME);
            while let Some((wallet, renewal)) = more.try_next().await? {
                ready.wallets.push(wallet);
                ready.renewals.push(tokio::task::spawn_local(renewal));
            }
        }
    }
    Ok(ready)
}

async fn wallet(
    what: &Preparation,
    api: ApiClient,
    token: &str,
    plan: Option<&str>,
    made: &dyn Fn(),
) -> Result<Wallet, LoadError> {
    let slug = api.organization().await?.slug;
    let offer = api.offer(plan).await?;
    let links = if what.scenario.needs_links() {
        links(what, &api, &slug, &offer, made).await?
    } else {
        Vec::new()
    };
    let balance = api.balance().await?;
    let charges = if what.scenario.charges() {
        charges(what, &slug, &offer, balance.balance)?
    } else {
        u64::MAX
    };
    let prepared = Prepared::new(&what.target, &links, &offer.id)?;
    Ok(Wallet {
        slug,
        currency: balance.currency,
        price: offer.retail_price,
        before: balance.balance,
        plan: offer.id,
        api: RefCell::new(api),
        authorization: RefCell::new(authorization(token)?),
        prepared,
        links,
        charges_left: Cell::new(charges),
        next_link: Cell::new(0),
        charged: Cell::new(0),
        lost: Cell::new(0),
    })
}

/// Links that are there, and new ones for what is missing.
async fn links(
    what: &Preparation,
    api: &ApiClient,
    slug: &str,
    offer: &Offer,
    made: &dyn Fn(),
) -> Result<Vec<String>, LoadError> {
    let no_sponsor = || LoadError(format!("plan {} has no sponsor profile", offer.id));
    let sponsor = offer.sponsor_profiles.first().ok_or_else(no_sponsor)?;
    let mut links = api.links(sponsor, what.links).await?;
    let missing = what.links - links.len();
    let balance = api.balance().await?;
    let affordable = affordable(budget(what, balance.balance), offer.retail_price);
    if u64::try_from(missing).unwrap_or(u64::MAX) > affordable {
        return Err(LoadError(format!(
            "{slug} has {} of {} Links, and {} {} do not pay for the others at {} each; pay in \
             more (`bappy org credit`), or use fewer with --links",
            links.len(),
            what.links,
            budget(what, balance.balance),
            balance.currency,
            offer.retail_price
        )));
    }
    let new = stream::iter(0..missing).map(|_| async {
        let link = api.create_link(&offer.id).await?;
        made();
        Ok::<_, LoadError>(link.id)
    });
    links.extend(new.buffered(AT_A_TIME).try_collect::<Vec<_>>().await?);
    Ok(links)
}

/// How many charges a wallet can pay; none at all is an error.
fn charges(
    what: &Preparation,
    slug: &str,
    offer: &Offer,
    balance: Money,
) -> Result<u64, LoadError> {
    let charges = affordable(budget(what, balance), offer.retail_price);
    if charges == 0 {
        return Err(LoadError(format!(
            "not enough balance: {slug} has {balance} to spend and one charge costs {}; pay in \
             more (`bappy org credit {slug} 100000.00`)",
            offer.retail_price
        )));
    }
    Ok(charges)
}

fn budget(what: &Preparation, balance: Money) -> Money {
    what.spend_max.map_or(balance, |most| most.min(balance))
}

fn affordable(budget: Money, price: Money) -> u64 {
    u64::try_from(budget.micros() / price.micros().max(1)).unwrap_or(0)
}

fn authorization(token: &str) -> Result<HeaderValue, LoadError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| LoadError("the token holds what no header may hold".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Keeps a wallet's token fresh for as long as it is polled.
async fn renew(
    http: reqwest::Client,
    token_url: String,
    client: Client,
    mut token: Token,
    wallet: Rc<Wallet>,
) {
    loop {
        tokio::time::sleep(token.renew_after()).await;
        // A provider that fails is asked again next time; the old token is good for a while.
        let Ok(next) = client::token(&http, &token_url, &client).await else { continue };
        if let Ok(value) = authorization(&next.access_token) {
            *wallet.authorization.borrow_mut() = value;
            let api = wallet.api.borrow().with_token(next.access_token.clone());
            *wallet.api.borrow_mut() = api;
        }
        token = next;
    }
}
