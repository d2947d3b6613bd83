//! Organizations and their clients.

use crate::world::{World, at, id, money, new_org};
use bappy::store::organizations::{self, Account, Changes, NewOrganization, OrganizationError};
use bappy_actors::model::{Money, OrgId, OrgStatus, Organization};

async fn create(world: &World, new: NewOrganization) -> Result<Organization, OrganizationError> {
    world
        .write(move |tx| Box::pin(async move { organizations::create(tx, &new, at(0)).await }))
        .await
}

async fn show(world: &World, slug: &str) -> Result<Account, OrganizationError> {
    organizations::show(&mut world.read().await, slug).await.unwrap()
}

pub async fn a_new_organization_has_an_empty_wallet_and_its_clients(world: World) {
    let new = new_org("acme", "USD", &["web", "app"]);
    let made = create(&world, new.clone()).await.unwrap();
    assert_eq!((made.id, made.slug.as_str(), made.status), (new.id, "acme", OrgStatus::Active));
    assert_eq!((made.price_per_sms, made.created_at), (money("0.05"), at(0)));
    let account = show(&world, "acme").await.unwrap();
    assert_eq!(account.organization, made);
    assert_eq!((account.balance, account.links_total), (Money::ZERO, 0));
    assert_eq!(account.clients, ["app", "web"]);

    create(&world, new_org("abc", "EUR", &[])).await.unwrap();
    let all = organizations::list(&mut world.read().await).await.unwrap();
    let slugs: Vec<_> = all.iter().map(|account| account.organization.slug.as_str()).collect();
    assert_eq!(slugs, ["abc", "acme"]);
}

pub async fn a_slug_or_client_that_is_taken_changes_nothing(world: World) {
    create(&world, new_org("acme", "USD", &["web"])).await.unwrap();
    let again = create(&world, new_org("acme", "USD", &["other"])).await;
    assert_eq!(again, Err(OrganizationError::SlugTaken("acme".into())));
    let taken = create(&world, new_org("globex", "USD", &["free", "web"])).await;
    let named = OrganizationError::ClientTaken { client_id: "web".into(), slug: "acme".into() };
    assert_eq!(taken, Err(named.clone()));
    let mut tx = world.read().await;
    assert_eq!(organizations::list(&mut tx).await.unwrap().len(), 1);
    assert_eq!(organizations::by_client(&mut tx, "free").await.unwrap(), None);
    drop(tx);

    create(&world, new_org("globex", "USD", &[])).await.unwrap();
    let add = |slug: &'static str, client: &'static str| {
        world.write(move |tx| Box::pin(organizations::add_client(tx, slug, client, at(1))))
    };
    assert_eq!(add("globex", "web").await, Err(named));
    assert_eq!(add("nobody", "new").await, Err(OrganizationError::Unknown("nobody".into())));
    assert_eq!(add("acme", "web").await, Ok(()), "its own client once more");
    assert_eq!(add("globex", "new").await, Ok(()));
    assert_eq!(show(&world, "globex").await.unwrap().clients, ["new"]);
}

pub async fn what_cannot_be_an_organization_is_said(world: World) {
    let uuid = id().to_string();
    for slug in ["", "Acme", "a b", "-a", "a-", "ä", &"a".repeat(64), &uuid, &uuid.replace('-', "")]
    {
        let made = create(&world, new_org(slug, "USD", &[])).await;
        assert!(matches!(made, Err(OrganizationError::Invalid(_))), "{slug}: {made:?}");
    }
    for clients in [["a", "a"], ["a", ""], ["a", "b c"]] {
        let made = create(&world, new_org("acme", "USD", &clients)).await;
        assert!(matches!(made, Err(OrganizationError::Invalid(_))), "{clients:?}: {made:?}");
    }
    let nameless = NewOrganization { name: "  ".into(), ..new_org("acme", "USD", &[]) };
    assert!(create(&world, nameless).await.is_err());
    let generous = NewOrganization { price_per_link: money("-1"), ..new_org("acme", "USD", &[]) };
    assert!(create(&world, generous).await.is_err());
    assert!(organizations::list(&mut world.read().await).await.unwrap().is_empty());
}

pub async fn status_name_and_prices_can_be_changed(world: World) {
    world.org("acme", "USD").await;
    world.org("other", "USD").await;
    let status = |slug: &'static str, status| {
        world.write(move |tx| Box::pin(organizations::set_status(tx, slug, status, at(1))))
    };
    assert_eq!(status("acme", OrgStatus::Suspended).await.unwrap().status, OrgStatus::Suspended);
    assert_eq!(show(&world, "other").await.unwrap().organization.status, OrgStatus::Active);
    assert_eq!(status("acme", OrgStatus::Active).await.unwrap().status, OrgStatus::Active);
    let unknown = Err(OrganizationError::Unknown("nobody".into()));
    assert_eq!(status("nobody", OrgStatus::Active).await, unknown);

    let set = |slug: &'static str, changes: Changes| {
        world.write(move |tx| {
            Box::pin(async move { organizations::set(tx, slug, &changes, at(2)).await })
        })
    };
    let changed = set("acme", Changes { name: Some("New".into()), ..Changes::default() }).await;
    let changed = changed.unwrap();
    assert_eq!((changed.name.as_str(), changed.price_per_sms), ("New", money("0.05")));
    let price = Changes { price_per_sms: Some(money("0.035")), ..Changes::default() };
    let changed = set("acme", price).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.price_per_sms), ("New", money("0.035")));
    let negative = Changes { price_per_link: Some(money("-0.01")), ..Changes::default() };
    assert!(matches!(set("acme", negative).await, Err(OrganizationError::Invalid(_))));
    assert_eq!(set("nobody", Changes::default()).await, unknown);
}

pub async fn a_client_leads_to_its_organization(world: World) {
    let new = new_org("acme", "USD", &["web"]);
    let org = new.id;
    create(&world, new).await.unwrap();
    let mut tx = world.read().await;
    let slug = |found: Option<Organization>| found.map(|organization| organization.slug);
    let acme = Some("acme".to_owned());
    assert_eq!(slug(organizations::by_client(&mut tx, "web").await.unwrap()), acme);
    assert_eq!(slug(organizations::by_id(&mut tx, org).await.unwrap()), acme);
    assert_eq!(slug(organizations::by_slug(&mut tx, "acme").await.unwrap()), acme);
    assert_eq!(organizations::by_client(&mut tx, "WEB").await.unwrap(), None);
    assert_eq!(organizations::by_id(&mut tx, OrgId(id())).await.unwrap(), None);
}

pub async fn of_many_made_at_once_with_one_slug_one_is_made(world: World) {
    let tries = (0..8).map(|_| create(&world, new_org("acme", "USD", &["web"])));
    let made = futures_util::future::join_all(tries).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    assert_eq!(organizations::list(&mut world.read().await).await.unwrap().len(), 1);
    for error in made.into_iter().filter_map(Result::err) {
        assert_eq!(error, OrganizationError::SlugTaken("acme".into()));
    }
}
