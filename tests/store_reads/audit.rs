//! The audit: clean on a sound ledger, and every kind of broken row found.

use crate::world::{Attempt, Entry, World, id};
use bappy::store::audit::{self, Audit};
use bappy_actors::model::OrgId;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use uuid::Uuid;

const FIVE: i64 = 5_000_000;

/// An organization with a credit of 100, a Link, a refunded top-up that is watched and a pending
/// one: five entries that leave 90.
struct Sound {
    org: OrgId,
    link: Uuid,
    created: Attempt,
    refunded: Attempt,
}

impl Sound {
    async fn new(world: &World, slug: &str) -> Self {
        let org = world.org(slug, "USD").await;
        let iccid = format!("89490000000{:08}", id().as_u128() % 100_000_000);
        let link = world.link(org, "router", &iccid).await;
        let of = |kind, state, cleanup| Attempt {
            org,
            id: id(),
            kind,
            state,
            cleanup,
            link,
            amount: FIVE,
            debit: Some(id()),
            key: None,
        };
        let created = of("create_link", "succeeded", "none");
        let refunded = of("topup", "refunded", "watching");
        let pending = of("topup", "pending", "none");
        for operation in [&created, &refunded, &pending] {
            world.attempt(operation.clone()).await;
        }
        let sound = Self { org, link, created, refunded };
        world.entry(sound.entry(1, "credit", 20 * FIVE, 20 * FIVE)).await;
        world.entry(sound.debit(2, "activation", &sound.created, 19 * FIVE)).await;
        world.entry(sound.debit(3, "topup", &sound.refunded, 18 * FIVE)).await;
        let refund = Entry {
            operation: Some(sound.refunded.id),
            refund_of: sound.refunded.debit,
            ..sound.entry(4, "refund", FIVE, 19 * FIVE)
        };
        world.entry(refund).await;
        world.entry(sound.debit(5, "topup", &pending, 18 * FIVE)).await;
        world.activation(org, link, sound.created.id, FIVE).await;
        sound
    }

    fn entry(&self, sequence: i64, kind: &'static str, amount: i64, balance_after: i64) -> Entry {
        let (org, link) = (self.org, Some(self.link));
        let (refund_of, operation) = (None, None);
        Entry { org, id: id(), sequence, kind, amount, balance_after, link, refund_of, operation }
    }

    fn debit(&self, sequence: i64, kind: &'static str, of: &Attempt, balance_after: i64) -> Entry {
        Entry {
            id: of.debit.unwrap(),
            operation: Some(of.id),
            ..self.entry(sequence, kind, -of.amount, balance_after)
        }
    }

    /// Another top-up, not yet recorded.
    fn topup(&self, state: &'static str, cleanup: &'static str) -> Attempt {
        Attempt { id: id(), debit: Some(id()), state, cleanup, ..self.refunded.clone() }
    }
}

async fn broken(world: &World, org: OrgId) -> BTreeSet<&'static str> {
    let found = audit::audit(&world.db, Some(org)).await.unwrap();
    assert!(found.violations.iter().all(|v| v.org_id == org && !v.detail.is_empty()));
    found.violations.iter().map(|violation| violation.rule).collect()
}

pub async fn a_sound_ledger_is_clean_and_counts_what_is_open(world: World) {
    let empty = audit::audit(&world.db, None).await.unwrap();
    assert_eq!(empty, Audit::default());
    Sound::new(&world, "acme").await;
    Sound::new(&world, "globex").await;
    world.org("initech", "USD").await;
    let found = audit::audit(&world.db, None).await.unwrap();
    assert_eq!(found, Audit { in_flight: 2, watched: 2, ..Audit::default() });
    assert!(found.is_clean());
}

pub async fn every_broken_row_is_found_by_its_rule(world: World) {
    let set = |rules: &[&'static str]| rules.iter().copied().collect::<BTreeSet<_>>();
    let mut cases = 0;
    let mut slug = || {
        cases += 1;
        format!("case-{cases}")
    };

    let sound = Sound::new(&world, &slug()).await;
    let gap = sound.entry(7, "credit", FIVE, 19 * FIVE);
    world.entry(gap).await;
    assert_eq!(broken(&world, sound.org).await, set(&["version", "chain"]), "a gap");

    let sound = Sound::new(&world, &slug()).await;
    world.entry(sound.entry(6, "credit", FIVE, 18 * FIVE)).await;
    assert_eq!(broken(&world, sound.org).await, set(&["balance", "chain"]), "a wrong balance");

    let sound = Sound::new(&world, &slug()).await;
    let topup = sound.topup("succeeded", "none");
    world.attempt(topup.clone()).await;
    world.entry(sound.debit(6, "topup", &topup, 17 * FIVE)).await;
    assert_eq!(broken(&world, sound.org).await, set(&["debit", "operation"]), "no activation");

    let sound = Sound::new(&world, &slug()).await;
    let topup = sound.topup("refunded", "done");
    world.attempt(topup.clone()).await;
    world.entry(sound.debit(6, "topup", &topup, 17 * FIVE)).await;
    assert_eq!(broken(&world, sound.org).await, set(&["debit"]), "refunded without a refund");
    world.activation(sound.org, sound.link, topup.id, FIVE).await;
    assert_eq!(broken(&world, sound.org).await, set(&["debit", "activation"]), "and in force");

    let sound = Sound::new(&world, &slug()).await;
    let refund = Entry {
        operation: Some(sound.created.id),
        refund_of: sound.created.debit,
        ..sound.entry(6, "refund", FIVE, 19 * FIVE)
    };
    world.entry(refund).await;
    let both = broken(&world, sound.org).await;
    assert_eq!(both, set(&["debit", "refund"]), "an activation and a refund");

    let sound = Sound::new(&world, &slug()).await;
    let topup = sound.topup("refunded", "none");
    world.attempt(topup.clone()).await;
    world.entry(sound.debit(6, "topup", &topup, 17 * FIVE)).await;
    let refund = |sequence, of, amount| Entry {
        operation: Some(topup.id),
        refund_of: of,
        ..sound.entry(sequence, "refund", amount, 17 * FIVE + amount)
    };
    world.entry(refund(7, sound.created.debit, FIVE)).await;
    assert_eq!(broken(&world, sound.org).await, set(&["refund"]), "another's debit");

    let sound = Sound::new(&world, &slug()).await;
    let topup = sound.topup("refunded", "none");
    world.attempt(topup.clone()).await;
    world.entry(sound.debit(6, "topup", &topup, 17 * FIVE)).await;
    let less = Entry {
        operation: Some(topup.id),
        refund_of: topup.debit,
        ..sound.entry(7, "refund", FIVE - 1, 18 * FIVE - 1)
    };
    world.entry(less).await;
    assert_eq!(broken(&world, sound.org).await, set(&["refund"]), "another amount");

    let sound = Sound::new(&world, &slug()).await;
    let topup = sound.topup("pending", "none");
    world.attempt(topup.clone()).await;
    let dearer = Entry { amount: -2 * FIVE, ..sound.debit(6, "topup", &topup, 16 * FIVE) };
    world.entry(dearer).await;
    assert_eq!(broken(&world, sound.org).await, set(&["debit"]), "another amount than asked");

    let sound = Sound::new(&world, &slug()).await;
    world.entry(sound.entry(6, "topup", -FIVE, 17 * FIVE)).await;
    assert_eq!(broken(&world, sound.org).await, set(&["debit"]), "a debit without operation");

    let sound = Sound::new(&world, &slug()).await;
    // An operation that there is has a debit, beside which the database takes no other entry.
    let credit = Entry { operation: Some(sound.link), ..sound.entry(6, "credit", FIVE, 19 * FIVE) };
    world.entry(credit).await;
    assert_eq!(broken(&world, sound.org).await, set(&["standing_alone"]));

    let sound = Sound::new(&world, &slug()).await;
    let free = sound.topup("succeeded", "none");
    world.attempt(free.clone()).await;
    world.activation(sound.org, sound.link, free.id, FIVE).await;
    let undebited = broken(&world, sound.org).await;
    assert_eq!(undebited, set(&["operation", "activation"]), "an activation without its debit");

    let sound = Sound::new(&world, &slug()).await;
    let stuck = sound.topup("pending", "manual");
    world.attempt(stuck.clone()).await;
    world.entry(sound.debit(6, "topup", &stuck, 17 * FIVE)).await;
    assert_eq!(broken(&world, sound.org).await, set(&["manual"]));
    let found = audit::audit(&world.db, Some(sound.org)).await.unwrap();
    assert_eq!((found.in_flight, found.watched, found.manual), (2, 1, 1));
    assert_eq!(found.violations[0].subject, stuck.id);
    assert!(found.violations[0].detail.contains("topup"), "{:?}", found.violations[0]);
}

pub async fn one_organization_can_be_audited_alone(world: World) {
    let (sound, other) = (Sound::new(&world, "acme").await, Sound::new(&world, "other").await);
    world.exec("UPDATE wallets SET balance = balance + 1, version = version + 1").await;
    let one = audit::audit(&world.db, Some(sound.org)).await.unwrap();
    assert_eq!(one.violations.len(), 2);
    assert!(one.violations.iter().all(|v| v.subject == sound.org.0), "{one:?}");
    assert!(one.violations[0].detail.contains("90.000001"), "{one:?}");
    let all = audit::audit(&world.db, None).await.unwrap();
    assert_eq!(all.violations.len(), 4);
    assert!(all.violations.iter().any(|v| v.org_id == other.org));
    assert_eq!((one.in_flight, all.in_flight), (1, 2));
}

pub async fn what_should_stand_at_the_operator_is_walked(world: World) {
    let sound = Sound::new(&world, "acme").await;
    Sound::new(&world, "other").await;
    let bare = world.link(sound.org, "bare", "8949000000000000777").await;
    let mut tx = world.read().await;
    let first = audit::links_in_force(&mut tx, Some(sound.org), None, 1).await.unwrap();
    assert_eq!(first[0].key, (sound.org, sound.link.into()));
    let activation = &first[0].activations[0];
    assert_eq!(activation.operation_id.0, sound.created.id);
    assert_eq!(activation.instance_id, format!("in-{}", sound.created.id));
    let after = Some(first[0].key);
    let rest = audit::links_in_force(&mut tx, Some(sound.org), after, 10).await.unwrap();
    assert_eq!((rest.len(), rest[0].key.1.0, rest[0].activations.len()), (1, bare, 0));
    assert_eq!(audit::links_in_force(&mut tx, None, None, 10).await.unwrap().len(), 3);
    drop(tx);
    world.exec("UPDATE activations SET status = 'cancelled'").await;
    let mut tx = world.read().await;
    let links = audit::links_in_force(&mut tx, None, None, 10).await.unwrap();
    assert!(links.iter().all(|link| link.activations.is_empty()));
}

pub async fn a_total_that_is_not_what_it_totals_is_found(world: World) {
    for (n, wrong) in [
        "UPDATE ledger_days SET entries = entries + 1",
        "UPDATE ledger_days SET debited = debited + 1",
        "UPDATE ledger_days SET credited = credited + 1",
        "UPDATE ledger_days SET made = made - 1",
        "UPDATE ledger_days SET first_sequence = first_sequence + 1",
        "UPDATE ledger_days SET last_sequence = last_sequence + 1",
        "DELETE FROM ledger_days",
        "UPDATE ledger_days SET kind = 'sms'",
        "UPDATE ledger_days SET day = '2026-11-24'",
        "UPDATE ledger_days SET plan_id = org_id",
    ]
    .into_iter()
    .enumerate()
    {
        let sound = Sound::new(&world, &format!("wrong-{n}")).await;
        let clean = audit::audit(&world.db, Some(sound.org)).await.unwrap();
        assert!(clean.is_clean(), "{clean:?}");
        let other = Sound::new(&world, &format!("other-{n}")).await;
        world
            .write(move |tx| {
                Box::pin(async move {
                    let one = " WHERE kind = 'activation' AND org_id = $1";
                    exec!(tx, AssertSqlSafe(format!("{wrong}{one}")), sound.org.0)?;
                    Ok(())
                })
            })
            .await;
        assert_eq!(broken(&world, sound.org).await, BTreeSet::from(["daily_totals"]), "{wrong}");
        assert_eq!(broken(&world, other.org).await, BTreeSet::new());
        let found = audit::audit(&world.db, Some(sound.org)).await.unwrap();
        assert!(found.violations[0].detail.starts_with("2026-11-23 activation"), "{found:?}");
    }
}
