//! The catalogue and what is sold of it.

use crate::world::{CountedIds, World, at, id, money};
use bappy::store::catalogue::{self, OfferError, PlanFilter, Selection, Synced, Terms};
use bappy::store::page::{Place, Window};
use bappy_actors::model::{
    Coverage, CoverageCountry, CoverageType, Currency, Money, NetworkOperator, OrgId, Plan, PlanId,
    Sponsor, Volume,
};
use bappy_actors::ports::CatalogueItem;

fn item(plan: &str, name: &str, price: &str, currency: &str) -> CatalogueItem {
    let networks = ["01", "02"].map(|mnc| NetworkOperator {
        name: format!("N{mnc}"),
        mcc: "208".into(),
        mnc: mnc.into(),
        technologies: vec!["4G".into()],
    });
    CatalogueItem {
        operator_plan_id: plan.into(),
        name: name.into(),
        data: Volume::from_kb(1_000_000),
        validity_days: 30,
        wholesale_price: money(price),
        currency: currency.parse().unwrap(),
        sponsor: Sponsor { id: "alpha".into(), name: "Alpha".into(), color: "#0a7".into() },
        coverage_type: CoverageType::Regional,
        region: Some("EU".into()),
        coverage: Coverage(
            ["FR", "DE"]
                .map(|country| CoverageCountry {
                    country: country.into(),
                    networks: networks.to_vec(),
                })
                .to_vec(),
        ),
    }
}

async fn sync(world: &World, items: Vec<CatalogueItem>, complete: bool) -> Synced {
    world
        .write(move |tx| {
            Box::pin(async move { catalogue::sync(tx, &items, complete, &CountedIds, at(1)).await })
        })
        .await
}

async fn enable(
    world: &World,
    org: OrgId,
    selection: Selection,
    markup: Option<&str>,
    rates: &[(&str, &str)],
) -> Result<u64, OfferError> {
    let terms = Terms {
        markup_percent: markup.map(|percent| percent.parse().unwrap()),
        rates: rates.iter().map(|(c, rate)| (c.parse().unwrap(), rate.parse().unwrap())).collect(),
    };
    world
        .write(move |tx| {
            Box::pin(async move { catalogue::enable(tx, org, &selection, &terms, at(2)).await })
        })
        .await
}

async fn sold(world: &World, org: OrgId, filter: PlanFilter) -> Vec<Plan> {
    let window = Window { place: Place::Page(1), size: 100 };
    let mut tx = world.read().await;
    let part = catalogue::sold(&mut tx, org, &filter, &window).await.unwrap();
    assert_eq!(part.total, i64::try_from(part.rows.len()).unwrap());
    part.rows
}

fn names(plans: &[Plan]) -> Vec<&str> {
    plans.iter().map(|plan| plan.name.as_str()).collect()
}

fn these(plans: &[&str]) -> Selection {
    Selection::These(plans.iter().map(|plan| (*plan).into()).collect())
}

pub async fn a_plan_keeps_its_id_and_is_withdrawn_and_offered_again(world: World) {
    let (a, b) = (item("a", "A", "1", "USD"), item("b", "B", "1", "USD"));
    let first = sync(&world, vec![a.clone(), b.clone(), a.clone()], true).await;
    assert_eq!(first, Synced { added: 2, ..Synced::default() });
    let again = sync(&world, vec![a.clone(), b.clone()], true).await;
    assert_eq!(again, Synced { unchanged: 2, ..Synced::default() });
    let ids = |plans: Vec<catalogue::CataloguePlan>| -> Vec<PlanId> {
        plans.into_iter().map(|plan| plan.plan.id).collect()
    };
    let before = ids(catalogue::all(&mut world.read().await).await.unwrap());

    let dearer = CatalogueItem { wholesale_price: money("2"), region: None, ..a.clone() };
    let changed = sync(&world, vec![dearer], true).await;
    assert_eq!(changed, Synced { changed: 1, withdrawn: 1, ..Synced::default() });
    let all = catalogue::all(&mut world.read().await).await.unwrap();
    assert_eq!((all[0].wholesale_price, all[0].offered, all[1].offered), (money("2"), true, false));
    assert_eq!((all[0].plan.price, all[0].plan.region.as_deref()), (Money::ZERO, None));
    assert_eq!(
        (&all[0].plan.countries, all[0].plan.operators_total),
        (&vec!["DE".to_owned(), "FR".into()], 4)
    );
    assert_eq!(ids(all), before);

    let back = sync(&world, vec![a, b], true).await;
    assert_eq!(back, Synced { changed: 2, ..Synced::default() });
    assert_eq!(ids(catalogue::all(&mut world.read().await).await.unwrap()), before);
}

pub async fn an_incomplete_or_empty_catalogue_withdraws_nothing(world: World) {
    sync(&world, vec![item("a", "A", "1", "USD"), item("b", "B", "1", "USD")], true).await;
    assert_eq!(sync(&world, vec![item("a", "A", "1", "USD")], false).await.withdrawn, 0);
    assert_eq!(sync(&world, vec![], true).await.withdrawn, 0);
}

pub async fn prices_carry_markup_and_rate_rounded_half_up(world: World) {
    let (usd, eur) = (world.org("acme", "USD").await, world.org("globex", "EUR").await);
    sync(&world, vec![item("a", "A", "4.02", "USD"), item("b", "B", "0.10", "EUR")], true).await;
    let all = || Selection::All;
    assert_eq!(enable(&world, usd, all(), Some("25"), &[("EUR", "1.1")]).await, Ok(2));
    let prices = |plans: Vec<Plan>| plans.iter().map(|p| p.price.to_string()).collect::<Vec<_>>();
    // 4.02 × 1.25 = 5.025; 0.10 × 1.1 × 1.25 = 0.1375
    assert_eq!(prices(sold(&world, usd, PlanFilter::default()).await), ["5.03", "0.14"]);
    assert_eq!(enable(&world, eur, all(), None, &[("USD", "0.90")]).await, Ok(2));
    assert_eq!(prices(sold(&world, eur, PlanFilter::default()).await), ["3.62", "0.10"]);
    let gift = enable(&world, eur, all(), Some("-101"), &[("USD", "0.90")]).await;
    assert!(matches!(gift, Err(OfferError::Price { .. })), "{gift:?}");
}

pub async fn a_plan_without_a_rate_is_not_enabled_and_neither_are_the_others(world: World) {
    let org = world.org("globex", "EUR").await;
    sync(&world, vec![item("a", "A", "1", "EUR"), item("b", "B", "1", "USD")], true).await;
    let error = enable(&world, org, Selection::All, None, &[("GBP", "1.2")]).await.unwrap_err();
    let (wholesale, wallet): (Currency, Currency) =
        ("USD".parse().unwrap(), "EUR".parse().unwrap());
    assert_eq!(error, OfferError::NoRate { plan: "b".into(), wholesale, wallet });
    for word in ["`b`", "USD", "EUR"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(sold(&world, org, PlanFilter::default()).await.is_empty());
    let unknown = enable(&world, org, these(&["a", "zz"]), None, &[]).await;
    assert_eq!(unknown, Err(OfferError::UnknownPlan("zz".into())));
    assert!(sold(&world, org, PlanFilter::default()).await.is_empty());
    let nobody = enable(&world, OrgId(id()), Selection::All, None, &[]).await;
    assert_eq!(nobody, Err(OfferError::UnknownOrganization));
}

pub async fn a_price_once_set_stays_without_a_markup(world: World) {
    let org = world.org("acme", "USD").await;
    sync(&world, vec![item("a", "A", "1", "USD")], true).await;
    let price = |plan: &'static str, price: &'static str| {
        world.write(move |tx| {
            Box::pin(async move { catalogue::set_price(tx, org, plan, money(price), at(3)).await })
        })
    };
    assert_eq!(price("a", "7.77").await, Ok(false), "priced, not enabled");
    assert!(sold(&world, org, PlanFilter::default()).await.is_empty());
    assert_eq!(enable(&world, org, these(&["a"]), None, &[]).await, Ok(1));
    assert_eq!(sold(&world, org, PlanFilter::default()).await[0].price, money("7.77"));
    assert_eq!(price("a", "8").await, Ok(true));
    assert!(matches!(price("a", "-1").await, Err(OfferError::Price { .. })));
    assert_eq!(price("b", "1").await, Err(OfferError::UnknownPlan("b".into())));
    assert_eq!(sold(&world, org, PlanFilter::default()).await[0].price, money("8"));
    assert_eq!(enable(&world, org, Selection::All, Some("0"), &[]).await, Ok(1));
    assert_eq!(sold(&world, org, PlanFilter::default()).await[0].price, money("1"));
}

pub async fn only_what_is_enabled_and_offered_is_sold(world: World) {
    let (org, other) = (world.org("acme", "USD").await, world.org("other", "USD").await);
    let (a, b) = (item("a", "A", "1", "USD"), item("b", "B", "1", "USD"));
    sync(&world, vec![a.clone(), b, item("c", "C", "1", "USD")], true).await;
    let ids: Vec<PlanId> =
        catalogue::all(&mut world.read().await).await.unwrap().iter().map(|p| p.plan.id).collect();
    let by_id = ids[1].to_string();
    enable(&world, org, these(&["a", &by_id]), None, &[]).await.unwrap();
    assert_eq!(names(&sold(&world, org, PlanFilter::default()).await), ["A", "B"]);
    assert!(sold(&world, other, PlanFilter::default()).await.is_empty());

    let one = |org, plan| {
        let world = &world;
        async move { catalogue::sold_plan(&mut world.read().await, org, plan).await.unwrap() }
    };
    assert_eq!(one(org, ids[0]).await.unwrap().coverage, a.coverage);
    assert_eq!(one(other, ids[0]).await, None);
    assert_eq!(one(org, ids[2]).await, None);
    let mut tx = world.read().await;
    assert_eq!(catalogue::regions(&mut tx, org).await.unwrap(), [("EU".to_owned(), 2)]);
    drop(tx);

    let disable = |selection: Selection| {
        world.write(move |tx| {
            Box::pin(async move { catalogue::disable(tx, org, &selection, at(3)).await })
        })
    };
    assert_eq!(disable(these(&["b", "c"])).await, Ok(1));
    assert_eq!(names(&sold(&world, org, PlanFilter::default()).await), ["A"]);
    sync(&world, vec![item("c", "C", "1", "USD")], true).await;
    assert!(sold(&world, org, PlanFilter::default()).await.is_empty(), "withdrawn");
    assert_eq!(one(org, ids[0]).await, None);
    let gone = enable(&world, org, these(&["a"]), None, &[]).await;
    assert_eq!(gone, Err(OfferError::NotOffered("a".into())));
    let priced = catalogue::priced(&mut world.read().await, org).await.unwrap();
    let state: Vec<_> = priced.iter().map(|p| (p.enabled, p.offered)).collect();
    assert_eq!(state, [(true, false), (false, false)]);
    assert_eq!(disable(Selection::All).await, Ok(1));
}

pub async fn every_filter_narrows_the_list(world: World) {
    let org = world.org("acme", "USD").await;
    let europe = item("a", "Europe 50%_off", "1", "USD");
    let france = CatalogueItem {
        coverage_type: CoverageType::Country,
        coverage: Coverage(vec![europe.coverage.0[0].clone()]),
        ..item("b", "France", "1", "USD")
    };
    let world_wide = CatalogueItem {
        coverage_type: CoverageType::Global,
        region: None,
        sponsor: Sponsor { id: "beta".into(), name: "Beta".into(), color: String::new() },
        ..item("c", "World", "1", "USD")
    };
    sync(&world, vec![europe, france, world_wide], true).await;
    enable(&world, org, Selection::All, None, &[]).await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    let none = PlanFilter::default;
    for (filter, expected) in [
        (none(), &["Europe 50%_off", "France", "World"][..]),
        (PlanFilter { region: some("eu"), ..none() }, &["Europe 50%_off", "France"]),
        (PlanFilter { coverage_type: Some(CoverageType::Global), ..none() }, &["World"]),
        (PlanFilter { sponsor_id: some("beta"), ..none() }, &["World"]),
        (PlanFilter { card_sponsor_id: some("alpha"), ..none() }, &["Europe 50%_off", "France"]),
        (PlanFilter { sponsor_id: some("beta"), card_sponsor_id: some("alpha"), ..none() }, &[]),
        (PlanFilter { country: some("de"), ..none() }, &["Europe 50%_off", "World"]),
        (PlanFilter { country: some("D"), ..none() }, &[]),
        (PlanFilter { country: some("%"), ..none() }, &[]),
        (PlanFilter { search: some("WOR"), ..none() }, &["World"]),
        (PlanFilter { search: some("0%_O"), ..none() }, &["Europe 50%_off"]),
        (PlanFilter { search: some("0%%"), ..none() }, &[]),
        (PlanFilter { search: some("r'n"), ..none() }, &[]),
        (PlanFilter { region: some("EU"), country: some("DE"), ..none() }, &["Europe 50%_off"]),
    ] {
        assert_eq!(names(&sold(&world, org, filter.clone()).await), expected, "{filter:?}");
    }
}

pub async fn plans_of_one_name_are_walked_exactly_once(world: World) {
    let org = world.org("acme", "USD").await;
    let names = ["A".repeat(1_000), "B".to_owned()];
    let items = (0..23).map(|n| item(&format!("p{n:02}"), &names[n % 2], "1", "USD"));
    sync(&world, items.collect(), true).await;
    enable(&world, org, Selection::All, None, &[]).await.unwrap();
    let whole: Vec<PlanId> =
        sold(&world, org, PlanFilter::default()).await.iter().map(|plan| plan.id).collect();
    assert_eq!(whole.len(), 23);
    let part = |place: Place<PlanId>| {
        let world = &world;
        async move {
            let window = Window { place, size: 5 };
            let mut tx = world.read().await;
            catalogue::sold(&mut tx, org, &PlanFilter::default(), &window).await.unwrap()
        }
    };
    let mut paged = Vec::new();
    for number in 1..=6 {
        paged.extend(part(Place::Page(number)).await.rows.iter().map(|plan| plan.id));
    }
    assert_eq!(paged, whole);
    let mut walked = Vec::new();
    let mut place = Place::Page(1);
    loop {
        let part = part(place).await;
        assert_eq!(part.total, 23);
        walked.extend(part.rows.iter().map(|plan| plan.id));
        let Some(next) = part.next else { break };
        place = Place::After(next);
    }
    assert_eq!(walked, whole);
    let unknown = part(Place::After(PlanId(id()))).await;
    assert_eq!((unknown.rows.len(), unknown.total, unknown.next), (0, 23, None));
}
