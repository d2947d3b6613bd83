//! Lists of Links, transactions and operations, and the balance.

use crate::world::{Attempt, Entry, World, at, id};
use bappy::store::attempts::{self, AttemptFilter};
use bappy::store::link_summaries::{self, LinkFilter};
use bappy::store::page::{Part, Place, Window};
use bappy::store::transactions;
use bappy::store::{Time, balances};
use bappy_actors::model::{
    EntryKind, LinkId, LinkStatus, Money, OperationId, OperationKind, OperationState, OrgId,
    SimKind,
};
use uuid::Uuid;

async fn links(
    world: &World,
    org: OrgId,
    filter: &LinkFilter,
    place: Place<LinkId>,
) -> Part<Uuid, LinkId> {
    let window = Window { place, size: 3 };
    let part = link_summaries::list(&mut world.read().await, org, filter, &window).await.unwrap();
    Part {
        rows: part.rows.iter().map(|link| link.id.0).collect(),
        total: part.total,
        next: part.next,
    }
}

pub async fn links_are_filtered_searched_and_walked(world: World) {
    let org = world.org("acme", "USD").await;
    let mut newest_first = Vec::new();
    for n in 0..10 {
        newest_first
            .insert(0, world.link(org, "Router 5%", &format!("89490000000000001{n:02}")).await);
    }
    let odd = world.link(org, "Ünïque_name", "8949000000000009999").await;
    newest_first.insert(0, odd);
    world.exec("UPDATE links SET status = 'suspended' WHERE iccid = '8949000000000009999'").await;

    let all = LinkFilter::default();
    let mut paged = Vec::new();
    for number in 1..=5 {
        let part = links(&world, org, &all, Place::Page(number)).await;
        assert_eq!(part.total, 11);
        paged.extend(part.rows);
    }
    assert_eq!(paged, newest_first);
    let mut walked = Vec::new();
    let mut place = Place::Page(1);
    loop {
        let part = links(&world, org, &all, place).await;
        walked.extend(part.rows);
        let Some(next) = part.next else { break };
        place = Place::After(next);
    }
    assert_eq!(walked, newest_first);

    let search = |text: &str| LinkFilter { search: Some(text.into()), ..LinkFilter::default() };
    let uuid = odd.to_string();
    for (filter, total) in [
        (LinkFilter { status: Some(LinkStatus::Suspended), ..all.clone() }, 1),
        (LinkFilter { status: Some(LinkStatus::Active), ..all.clone() }, 10),
        (LinkFilter { kind: Some(SimKind::Physical), ..all.clone() }, 0),
        (LinkFilter { kind: Some(SimKind::Esim), ..search("9999") }, 1),
        (search("rOUTER"), 10),
        (search("5%"), 10),
        (search("R%r"), 0),
        (search("e_n"), 1),
        (search("que"), 1),
        (search("000009999"), 1),
        (search("+498949000000000009999"), 1),
        (search(&uuid), 1),
        (search(&uuid.to_uppercase()), 1),
        (search(&uuid[14..30]), 11.min(matching(&newest_first, &uuid[14..30]))),
        (search(&uuid.replace('-', "")), 0),
        (search("' OR 1=1 --"), 0),
    ] {
        let part = links(&world, org, &filter, Place::Page(1)).await;
        assert_eq!(part.total, total, "{filter:?}");
        assert_eq!(i64::try_from(part.rows.len()).unwrap(), total.min(3), "{filter:?}");
    }
}

/// What is searched of a Link.
struct Named {
    id: Uuid,
    texts: [String; 4],
    is_physical: bool,
}

/// Two organizations' Links, of which many are alike: the oldest first.
async fn named(world: &World, orgs: [OrgId; 2]) -> [Vec<Named>; 2] {
    let mut made = [Vec::new(), Vec::new()];
    for n in 0..2_600_usize {
        let (name, msisdn) = (format!("Traveller {}", n / 7), format!("+4900{:04}", n / 3));
        let (id, iccid) = (id(), format!("894900000{:010}", 123_456 + n));
        let texts = [name.to_lowercase(), iccid, msisdn, id.to_string()];
        made[n % 2].push(Named { id, texts, is_physical: n % 3 == 0 });
    }
    for (org, links) in orgs.into_iter().zip(&mut made) {
        let rows: Vec<_> =
            links.iter().map(|link| (link.id, link.texts.clone(), link.is_physical)).collect();
        let iccid = format!("8949{:015}", org.0.as_u128() % 1_000);
        let id = world.link(org, "another", &iccid).await;
        let texts = ["another".into(), iccid.clone(), format!("+49{iccid}"), id.to_string()];
        links.push(Named { id, texts, is_physical: false });
        let count = i64::try_from(links.len()).unwrap();
        world
            .write(move |tx| {
                Box::pin(async move {
                    // By it is told how many are tested at hand.
                    let counted = "UPDATE wallets SET links_total = $2 WHERE org_id = $1";
                    exec!(tx, counted, org.0, count)?;
                    for (id, [name, iccid, msisdn, _], is_physical) in rows {
                        exec!(
                            tx,
                            "INSERT INTO links (org_id, id, name, iccid, msisdn, kind, status,
                                 sponsor_id, endpoint_id, data_total_kb, data_used_kb, created_at,
                                 updated_at)
                             VALUES ($1, $2, $3, $4, $5, $6, 'active', 'alpha', $4, 0, 0, $7, $7)",
                            org.0,
                            id,
                            name.replace('t', "T"),
                            iccid,
                            msisdn,
                            if is_physical { "physical" } else { "esim" },
                            Time(at(1))
                        )?;
                    }
                    Ok(())
                })
            })
            .await;
    }
    made
}

/// Of few and of many, with what tells Links apart at the end, in the middle and nowhere.
pub async fn a_search_finds_what_reading_every_link_does(world: World) {
    let orgs = [world.org("acme", "USD").await, world.org("other", "USD").await];
    let made = named(&world, orgs).await;
    let one = &made[0][700];
    let (iccid, uuid) = (one.texts[1].clone(), one.texts[3].clone());
    let texts = [
        &iccid,
        &iccid[..12],
        &iccid[8..],
        &iccid[..18],
        &uuid,
        &uuid[..13],
        &uuid[20..],
        "traveller 123",
        "TRAVELLER 123",
        "traveller",
        "aveller 36",
        "24000",
        "123457",
        "12345",
        "+49000",
        "4900012",
        "12",
        "r 1",
        "ller 5",
        "",
        "000",
        "894900000",
        "0000123456 no",
        "8949000 traveller",
        "nobody",
        "89490000000001234567890",
    ];
    let mut many = 0;
    for (org, links) in orgs.into_iter().zip(&made) {
        for (search, kind) in
            texts.into_iter().flat_map(|text| [(text, None), (text, Some(SimKind::Physical))])
        {
            let text = search.to_lowercase();
            let expected: Vec<Uuid> = links
                .iter()
                .rev()
                .filter(|link| kind.is_none() || link.is_physical)
                .filter(|link| link.texts.iter().any(|of_link| of_link.contains(&text)))
                .map(|link| link.id)
                .collect();
            let filter = LinkFilter { kind, search: Some(search.into()), status: None };
            let part = links_of(&world, org, &filter, Place::Page(1)).await;
            assert_eq!(part.total, i64::try_from(expected.len()).unwrap(), "{filter:?}");
            many += i64::from(part.total > 1_000);
            let (mut walked, mut place) = (Vec::new(), Some(Place::Page(1)));
            while let Some(here) = place.filter(|_| walked.len() < 200) {
                let part = links_of(&world, org, &filter, here).await;
                walked.extend(part.rows);
                place = part.next.map(Place::After);
            }
            let enough = expected.len().min(200);
            assert_eq!(walked[..enough], expected[..enough], "{filter:?}");
            assert_eq!(walked.len(), if enough < 200 { enough } else { 200 }, "{filter:?}");
            let third = links_of(&world, org, &filter, Place::Page(3)).await;
            assert_eq!(third.rows, expected.chunks(50).nth(2).unwrap_or_default(), "{filter:?}");
            assert_eq!(third.total, part.total, "{filter:?}");
        }
    }
    assert!(many > 3, "{many} searches that many Links have are no test");
}

/// Pages of fifty.
async fn links_of(
    world: &World,
    org: OrgId,
    filter: &LinkFilter,
    place: Place<LinkId>,
) -> Part<Uuid, LinkId> {
    let window = Window { place, size: 50 };
    let part = link_summaries::list(&mut world.read().await, org, filter, &window).await.unwrap();
    let rows = part.rows.iter().map(|link| link.id.0).collect();
    Part { rows, total: part.total, next: part.next }
}

fn matching(links: &[Uuid], part: &str) -> i64 {
    let found = links.iter().filter(|link| link.to_string().contains(part));
    i64::try_from(found.count()).unwrap()
}

pub async fn another_organization_sees_nothing(world: World) {
    let (org, other) = (world.org("acme", "USD").await, world.org("other", "USD").await);
    let link = world.link(org, "mine", "8949000000000000001").await;
    let operation = attempt(org, link);
    world.attempt(operation.clone()).await;
    world.entry(entry(org, 1, "credit", 10)).await;
    let search = LinkFilter { search: Some("mine".into()), ..LinkFilter::default() };
    for filter in [LinkFilter::default(), search] {
        assert_eq!(links(&world, other, &filter, Place::Page(1)).await.total, 0);
    }
    let mut tx = world.read().await;
    let window = Window { place: Place::Page(1), size: 10 };
    let history = transactions::of_link(&mut tx, other, LinkId(link), None, &window).await.unwrap();
    assert_eq!(history.total, 0);
    let id = OperationId(operation.id);
    assert_eq!(attempts::get(&mut tx, other, id).await.unwrap(), None);
    assert!(attempts::get(&mut tx, org, id).await.unwrap().is_some());
    assert_eq!(attempts::latest_for_key(&mut tx, other, "k").await.unwrap(), None);
}

fn entry(org: OrgId, sequence: i64, kind: &'static str, balance_after: i64) -> Entry {
    let (link, refund_of, operation) = (None, None, None);
    Entry { org, id: id(), sequence, kind, amount: 1, balance_after, link, refund_of, operation }
}

fn attempt(org: OrgId, link: Uuid) -> Attempt {
    Attempt {
        org,
        id: id(),
        kind: "topup",
        state: "succeeded",
        cleanup: "none",
        link,
        amount: 5,
        debit: None,
        key: Some("k".into()),
    }
}

pub async fn history_is_newest_first_and_filtered(world: World) {
    let org = world.org("acme", "USD").await;
    let link = id();
    for sequence in 1..=9 {
        let kind = ["credit", "adjustment"][usize::from(sequence % 3 == 0)];
        let link = Some(if sequence == 5 { id() } else { link });
        world.entry(Entry { link, ..entry(org, sequence, kind, sequence) }).await;
    }
    let link = LinkId(link);
    let read = |kind, place| {
        let world = &world;
        async move {
            let window = Window { place, size: 3 };
            let mut tx = world.read().await;
            let part = transactions::of_link(&mut tx, org, link, kind, &window).await.unwrap();
            let rows: Vec<_> = part.rows.iter().map(|row| row.entry.sequence).collect();
            (rows, part.total, part.next)
        }
    };
    assert_eq!(read(None, Place::Page(1)).await, (vec![9, 8, 7], 8, Some(7)));
    assert_eq!(read(None, Place::Page(3)).await, (vec![2, 1], 8, None));
    assert_eq!(read(None, Place::After(7)).await, (vec![6, 4, 3], 8, Some(3)));
    assert_eq!(read(None, Place::After(3)).await, (vec![2, 1], 8, None));
    let adjustment = Some(EntryKind::Adjustment);
    assert_eq!(read(adjustment, Place::Page(1)).await, (vec![9, 6, 3], 3, None));
    assert_eq!(read(Some(EntryKind::Sms), Place::Page(1)).await, (vec![], 0, None));
    let window = Window { place: Place::Page(1), size: 1 };
    let mut tx = world.read().await;
    let newest = transactions::of_link(&mut tx, org, link, None, &window).await.unwrap();
    assert_eq!(newest.rows[0].created_at, at(9));
    assert_eq!(newest.rows[0].entry.plan_name.as_deref(), Some("Europe"));
}

pub async fn operations_are_listed_and_found_by_key(world: World) {
    let org = world.org("acme", "USD").await;
    let link = id();
    let refunded = Attempt { state: "refunded", cleanup: "watching", ..attempt(org, link) };
    let succeeded = attempt(org, link);
    let pending = Attempt { state: "pending", key: None, ..attempt(org, link) };
    let created = Attempt { kind: "create_link", key: None, ..attempt(org, link) };
    for operation in [&refunded, &succeeded, &pending, &created] {
        world.attempt(operation.clone()).await;
    }
    let charged = [
        (&refunded, "topup"),
        (&refunded, "refund"),
        (&succeeded, "topup"),
        (&pending, "topup"),
        (&created, "activation"),
    ];
    for (sequence, (operation, kind)) in (1..).zip(charged) {
        let refund_of = (kind == "refund").then(id);
        let operation = Some(operation.id);
        world.entry(Entry { refund_of, operation, ..entry(org, sequence, kind, sequence) }).await;
    }
    let list = |filter: AttemptFilter, place| {
        let world = &world;
        async move {
            let window = Window { place, size: 2 };
            let part =
                attempts::list(&mut world.read().await, org, &filter, &window).await.unwrap();
            let ids: Vec<_> = part.rows.iter().map(|attempt| attempt.id.0).collect();
            (ids, part.total, part.next)
        }
    };
    let all = AttemptFilter::default;
    let next = OperationId(pending.id);
    let first = list(all(), Place::Page(1)).await;
    assert_eq!(first, (vec![created.id, pending.id], 4, Some(next)));
    let second = list(all(), Place::After(next)).await;
    assert_eq!(second, (vec![succeeded.id, refunded.id], 4, None));
    for (filter, ids) in [
        (AttemptFilter { state: Some(OperationState::Pending), ..all() }, vec![pending.id]),
        (AttemptFilter { kind: Some(OperationKind::CreateLink), ..all() }, vec![created.id]),
        (
            AttemptFilter { idempotency_key: Some("k".into()), ..all() },
            vec![succeeded.id, refunded.id],
        ),
        (AttemptFilter { idempotency_key: Some("other".into()), ..all() }, vec![]),
    ] {
        assert_eq!(list(filter, Place::Page(1)).await.0, ids);
    }
    let of_kind = |kind| AttemptFilter { kind: Some(kind), ..all() };
    let in_state = |state| AttemptFilter { state: Some(state), ..all() };
    let both = |state, kind| AttemptFilter { state: Some(state), ..of_kind(kind) };
    for (filter, total) in [
        (of_kind(OperationKind::Topup), 3),
        (of_kind(OperationKind::CreateLink), 1),
        (of_kind(OperationKind::SendSms), 0),
        (of_kind(OperationKind::UpdateLink), 0),
        (in_state(OperationState::Succeeded), 2),
        (in_state(OperationState::Refunded), 1),
        (in_state(OperationState::Rejected), 0),
        (both(OperationState::Succeeded, OperationKind::Topup), 1),
        (both(OperationState::Refunded, OperationKind::Topup), 1),
        (both(OperationState::Pending, OperationKind::CreateLink), 0),
        (both(OperationState::Succeeded, OperationKind::RemovePlan), 0),
    ] {
        let (rows, counted, _) = list(filter.clone(), Place::Page(1)).await;
        assert_eq!(
            (counted, rows.len()),
            (total, usize::try_from(total).unwrap().min(2)),
            "{filter:?}"
        );
    }
    let mut tx = world.read().await;
    let latest = attempts::latest_for_key(&mut tx, org, "k").await.unwrap().unwrap();
    assert_eq!(latest.attempt.id.0, succeeded.id);
    assert_eq!(latest.attempt.amount, Money::from_micros(5));
    assert_eq!(
        (latest.request_hash, latest.answer.as_deref()),
        (vec![7; 32], Some("{\"answer\":1}"))
    );
    let open = attempts::open(&mut tx, None, None, 10).await.unwrap();
    let open: Vec<_> = open.iter().map(|attempt| attempt.id.0).collect();
    assert_eq!(open, [refunded.id, pending.id]);
    let after = Some((org, OperationId(refunded.id)));
    assert_eq!(attempts::open(&mut tx, Some(org), after, 10).await.unwrap().len(), 1);
}

pub async fn a_deep_page_is_the_same_from_a_kept_rank(world: World) {
    let org = world.org("acme", "USD").await;
    let write = async |count: usize| {
        let ids: Vec<_> = (0..count).map(|_| id()).collect();
        let made = ids.clone();
        world
            .write(move |tx| {
                Box::pin(async move {
                    for id in made {
                        exec!(
                            tx,
                            "INSERT INTO operations (org_id, id, group_id, position, kind, state,
                                 link_id, amount, request, cleanup, epoch, attempts, deadline_at,
                                 horizon_at, created_at)
                             VALUES ($1, $2, $2, 0, 'topup', 'succeeded', $2, 1, '{}', 'none', 0, 0,
                                 $3, $3, $3)",
                            org.0,
                            id,
                            Time(at(0))
                        )?;
                    }
                    exec!(
                        tx,
                        "UPDATE wallets SET operations_total = operations_total + $2
                         WHERE org_id = $1",
                        org.0,
                        i64::try_from(count).unwrap()
                    )?;
                    Ok(())
                })
            })
            .await;
        ids
    };
    let ranks = async || {
        let mut tx = world.read().await;
        let sql = "SELECT rank, id FROM list_ranks WHERE org_id = $1 ORDER BY rank";
        all!(tx, (i64, Uuid), sql, org.0).unwrap()
    };
    // Pages as they are mostly asked for, the largest, what is beside the bounds, and longer ones; with a
    // filter no rank is near.
    let filters = [None, Some(OperationState::Succeeded)];
    let filters = filters.map(|state| AttemptFilter { state, ..AttemptFilter::default() });
    let part = async |filter: &AttemptFilter, place: Place<OperationId>, size: usize| {
        let window = Window { place, size: u32::try_from(size).unwrap() };
        let mut tx = world.read().await;
        let part = attempts::list(&mut tx, org, filter, &window).await.unwrap();
        (part.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), part.next)
    };
    let mut oldest_first = write(4_210).await;
    // Rows may still come in before these.
    let long_ago = chrono::DateTime::UNIX_EPOCH;
    bappy::store::ranks::keep(&world.db, long_ago).await.unwrap();
    assert_eq!(ranks().await, []);
    for grown in [0, 1_095] {
        oldest_first.extend(write(grown).await);
        bappy::store::ranks::keep(&world.db, at(0)).await.unwrap();
        let kept: Vec<_> = oldest_first.iter().copied().zip(1_i64..).collect();
        let kept: Vec<_> = kept.chunks_exact(1_000).map(|rows| rows[999]).collect();
        assert_eq!(ranks().await, kept.iter().map(|(id, rank)| (*rank, *id)).collect::<Vec<_>>());
        let newest_first: Vec<_> = oldest_first.iter().rev().copied().collect();
        for (filter, size) in filters.iter().flat_map(|f| [50, 64, 100, 128, 150].map(|s| (f, s))) {
            let last = newest_first.len().div_ceil(size);
            let mut place = Place::Page(1);
            for (rows, number) in newest_first.chunks(size).zip(1_usize..) {
                let is_followed = number < last;
                let page = Place::Page(u64::try_from(number).unwrap());
                for place in [page, place] {
                    let (read, next) = part(filter, place, size).await;
                    assert_eq!((&*read, next.is_some()), (rows, is_followed), "{number} of {size}");
                }
                place = Place::After(OperationId(rows[rows.len() - 1]));
            }
        }
    }
}

pub async fn a_balance_says_when_it_changed(world: World) {
    let org = world.org("globex", "EUR").await;
    world.entry(entry(org, 1, "credit", 50_000_000)).await;
    let mut tx = world.read().await;
    let balance = balances::balance(&mut tx, org).await.unwrap().unwrap();
    assert_eq!((balance.amount.to_string(), balance.currency.as_str()), ("50.00".into(), "EUR"));
    assert_eq!(balance.updated_at, at(0));
    assert_eq!(balances::balance(&mut tx, OrgId(id())).await.unwrap(), None);
}
