//! Searches of Links against reading all of them, whatever the text and however a Link came to have it.

use crate::world::{World, at};
use bappy::store::link_summaries::{self, LinkFilter};
use bappy::store::page::{Place, Window};
use bappy::store::{Conn, Time};
use bappy_actors::model::OrgId;
use uuid::Uuid;

/// A Link's texts. Every search of a test has its name.
const NAMES: [Option<&str>; 22] = [
    None,
    Some(""),
    Some("ab"),
    Some("50% off_season"),
    Some(r"back\slash \% \_"),
    Some(r#"say "hello" AND "bye""#),
    Some("it's NEAR(it, 2)"),
    Some("name:Käse* ^OR -minus"),
    Some("Übergröße ÀÉÎ"),
    Some("übergröße àéî"),
    Some("Straße STRASSE"),
    Some("İstanbul ıstanbul Istanbul"),
    Some("ΣΊΣΥΦΟΣ σίσυφος"),
    Some("e\u{301}te\u{301} nai\u{308}ve"),
    Some("🚚🚛🛻 vans 👩‍👩‍👧"),
    Some("日本語の名前"),
    Some("  three   spaces  "),
    Some("tab\tand\nline"),
    Some("a name that is longer than whatever an index is asked for of it, 12345678901234567890"),
    Some("89490000000000000042 49000 0190aBcD-eF01"),
    Some("DEADBEEF-CAFE"),
    Some("deadbeefcafe"),
];

/// Makes a Link of each name; every second is of another organization. The oldest first.
async fn links(world: &World) -> ([OrgId; 2], Vec<Uuid>) {
    let orgs = [world.org("acme", "USD").await, world.org("other", "USD").await];
    let mut made = Vec::new();
    for (n, name) in NAMES.into_iter().enumerate() {
        for (of, org) in orgs.into_iter().enumerate() {
            let number = 2 * n + of;
            let id = Uuid::from_u128(
                0x0190_abcd_ef01_7bad_8eef_dead_0000_0000 + (number as u128) * 0x0001_0f0e,
            );
            made.push(id);
            insert(world, org, id, name, number).await;
        }
    }
    (orgs, made)
}

async fn insert(world: &World, org: OrgId, id: Uuid, name: Option<&'static str>, number: usize) {
    world
        .write(move |tx| {
            Box::pin(async move {
                let sponsor = "INSERT INTO sponsors VALUES ('alpha', 'Alpha', '#0a7')
                    ON CONFLICT DO NOTHING";
                exec!(tx, sponsor)?;
                exec!(
                    tx,
                    "INSERT INTO links (org_id, id, name, iccid, msisdn, kind, status, sponsor_id,
                         endpoint_id, data_total_kb, data_used_kb, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, 'esim', 'active', 'alpha', $4, 0, 0, $6, $6)",
                    org.0,
                    id,
                    name,
                    format!("8949{number:016}"),
                    (!number.is_multiple_of(3)).then(|| format!("+49000{number:05}")),
                    Time(at(1))
                )?;
                Ok(())
            })
        })
        .await;
}

const NONE: [Uuid; 0] = [];

async fn found(world: &World, org: OrgId, search: &str) -> Vec<Uuid> {
    let window = Window { place: Place::Page(1), size: 100 };
    let filter = LinkFilter { search: Some(search.into()), ..LinkFilter::default() };
    let part = link_summaries::list(&mut world.read().await, org, &filter, &window).await.unwrap();
    assert_eq!(usize::try_from(part.total).unwrap(), part.rows.len(), "{search}");
    part.rows.iter().map(|link| link.id.0).collect()
}

/// What reading all of them finds, in functions that no search of the service uses.
async fn scanned(world: &World, org: OrgId, search: &str) -> Vec<Uuid> {
    let mut tx = world.read().await;
    let has = match tx.conn() {
        Conn::Sqlite(_) => "INSTR(LOWER(of_link), LOWER($2)) > 0",
        Conn::Postgres(_) => "STRPOS(LOWER(of_link), LOWER($2)) > 0",
    };
    let has = ["name", "iccid", "msisdn"].map(|column| has.replace("of_link", column)).join(" OR ");
    let sql =
        format!("SELECT id, COALESCE({has}, FALSE) FROM links WHERE org_id = $1 ORDER BY id DESC");
    let rows = all!(tx, (Uuid, bool), sqlx::AssertSqlSafe(sql), org.0, search).unwrap();
    let has_it = |id: &Uuid| id.to_string().contains(&search.to_ascii_lowercase());
    rows.into_iter().filter(|(id, is_found)| *is_found || has_it(id)).map(|(id, _)| id).collect()
}

/// Every stretch of every text of a Link, in several cases, and texts that none has.
fn searches(made: &[Uuid]) -> Vec<String> {
    let mut texts: Vec<String> = NAMES.into_iter().flatten().map(str::to_owned).collect();
    texts.extend([made[7].to_string(), "89490000000000000012".into(), "+4900000013".into()]);
    let mut searches = Vec::new();
    for text in &texts {
        let places: Vec<usize> =
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for length in [1, 2, 3, 4, 5, 6, 7, 13, 21, 36, places.len() - 1] {
            let ends = places.windows(length + 1).step_by(1 + length / 5);
            searches.extend(ends.map(|part| text[part[0]..part[length]].to_owned()));
        }
    }
    let in_cases = |search: String| [search.to_uppercase(), search.to_lowercase(), search];
    searches = searches.into_iter().flat_map(in_cases).collect();
    // What runs from one text into another, what is read as a pattern or as the index's own language, and what is
    // longer than any.
    searches.extend(
        [
            "off_season 8949",
            "8949 ",
            "000 +49",
            "+49 0190",
            "ab 8949",
            "50%season",
            "back%",
            "%%%",
            "___",
            r"\\\",
            r"\%\",
            "\"",
            "\"\"\"",
            "\"hello\"\"",
            "hello OR bye",
            "hel*",
            "name:",
            "{name}: hello",
            "^say",
            "NEAR(",
            "'''",
            "abc-",
            "-abc",
            "a-b",
            "---",
            "0190-abcd",
            "0190ABCD-EF01-7BAD",
            "0190abcdef01",
            "d-ef01-7b",
            "🚚🚛🛻🚚",
            "nothing",
            "000000000000000000000",
        ]
        .map(str::to_owned),
    );
    searches.push("x".repeat(3_000));
    searches.sort_unstable();
    searches.dedup();
    searches
}

pub async fn every_text_is_found_as_by_reading_all_links(world: World) {
    let (orgs, made) = links(&world).await;
    let searches = searches(&made);
    let mut hits = 0;
    for (n, search) in searches.iter().enumerate() {
        let org = orgs[n % 2];
        let expected = scanned(&world, org, search).await;
        hits += expected.len();
        assert_eq!(found(&world, org, search).await, expected, "{search:?}");
    }
    assert!(searches.len() > 1_000 && hits > 2_000, "{hits} of {} searches", searches.len());
}

pub async fn a_link_is_found_by_what_it_is_now(world: World) {
    let ([org, other], made) = links(&world).await;
    let hello = made[10];
    assert_eq!(found(&world, org, "hello").await, [hello]);
    // What stays of the name is found as before, and so is the rest of the Link.
    world.exec("UPDATE links SET name = 'say good-bye' WHERE iccid = '89490000000000000010'").await;
    assert_eq!(found(&world, org, "hello").await, NONE);
    for search in ["say", "good-bye", "89490000000000000010", &hello.to_string()] {
        assert_eq!(found(&world, org, search).await, [hello], "{search}");
    }
    world.exec("UPDATE links SET name = NULL WHERE iccid = '89490000000000000010'").await;
    assert_eq!(found(&world, org, "good-bye").await, NONE);
    world
        .exec(
            "UPDATE links SET name = 'hello again', iccid = '77770000000000000010', msisdn = '+1555777'
             WHERE iccid = '89490000000000000010'",
        )
        .await;
    for search in ["hello again", "7777000000", "+1555777", "1555777"] {
        assert_eq!(found(&world, org, search).await, [hello], "{search}");
    }
    assert_eq!(found(&world, org, "89490000000000000010").await, NONE);
    // In one transaction, there and back.
    world
        .write(|tx| {
            Box::pin(async move {
                for name in ["'something'", "NULL", "'hello AGAIN'", "name"] {
                    let sql = format!("UPDATE links SET name = {name} WHERE iccid LIKE '7777%'");
                    exec!(tx, sqlx::AssertSqlSafe(sql))?;
                }
                Ok(())
            })
        })
        .await;
    assert_eq!(found(&world, org, "hello again").await, [hello]);
    assert_eq!(found(&world, org, "something").await, NONE);

    // It becomes another's, under another id.
    let moved = Uuid::from_u128(0x0191_1234_5678_7abc_8abc_fade_feed_f00d);
    world
        .write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE links SET org_id = $1, id = $2 WHERE iccid LIKE '7777%'";
                exec!(tx, sql, other.0, moved)?;
                Ok(())
            })
        })
        .await;
    for search in ["hello again", "fadefeed", "1234-5678"] {
        assert_eq!(found(&world, org, search).await, NONE, "{search}");
    }
    for search in ["hello again", "fadefeedf00d", "12345678-7ABC"] {
        let expected = scanned(&world, other, search).await;
        assert_eq!(found(&world, other, search).await, expected, "{search}");
    }
    assert_eq!(found(&world, other, "fadefeed").await, [moved]);

    // A change that is refused or rolled back changes nothing.
    let refused = world
        .db
        .write(|tx| {
            Box::pin(async move {
                exec!(tx, "UPDATE links SET name = 'rolled back' WHERE iccid LIKE '7777%'")?;
                Ok(exec!(tx, "UPDATE links SET iccid = 'one for all of them'")?)
            })
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(found(&world, other, "rolled back").await, NONE);
    assert_eq!(found(&world, other, "hello again").await, [moved]);

    world.exec("DELETE FROM links WHERE iccid LIKE '7777%'").await;
    assert_eq!(found(&world, other, "hello again").await, NONE);
    insert(&world, other, moved, Some("hello once more"), 7_777).await;
    assert_eq!(found(&world, other, "fadefeed").await, [moved]);
    assert_eq!(found(&world, other, "hello again").await, NONE);
    assert_eq!(found(&world, other, "once more").await, [moved]);
    for search in searches(&made).iter().step_by(7) {
        let expected = scanned(&world, other, search).await;
        assert_eq!(found(&world, other, search).await, expected, "{search:?}");
    }
}

/// Takes back what keeps the digits of Links.
async fn undo_digits(world: &World) {
    let undone: &[&'static str] = match world.read().await.conn() {
        Conn::Sqlite(_) => &[
            "DROP TRIGGER links_search_insert",
            "DROP TRIGGER links_search_update",
            "DROP TRIGGER links_search_delete",
            "DROP VIEW links_digits_input",
            "DROP TABLE links_digits",
            "DELETE FROM _sqlx_migrations WHERE version = 14",
        ],
        Conn::Postgres(_) => &[
            "DROP INDEX links_digits",
            "DROP FUNCTION digits_of",
            "DELETE FROM _sqlx_migrations WHERE version IN (13, 21)",
        ],
    };
    for &sql in undone {
        world.exec(sql).await;
    }
}

/// Links that were in the index of trigrams before there was one of digits.
pub async fn links_of_before_the_digits_are_found(world: World) {
    let (orgs, made) = links(&world).await;
    undo_digits(&world).await;
    world.db.migrate().await.unwrap();
    for (n, search) in searches(&made).iter().step_by(5).enumerate() {
        let expected = scanned(&world, orgs[n % 2], search).await;
        assert_eq!(found(&world, orgs[n % 2], search).await, expected, "{search:?}");
    }
    world
        .exec("UPDATE links SET name = 'number 271828' WHERE iccid = '89490000000000000010'")
        .await;
    for search in ["271828", "r 271", "89490000000000000010"] {
        assert_eq!(found(&world, orgs[0], search).await, [made[10]], "{search}");
    }
    let Conn::Sqlite(_) = world.read().await.conn() else { return };
    world.exec("INSERT INTO links_digits (links_digits) VALUES ('integrity-check')").await;
    // Where one text ends by hand, the others are found all the same.
    let ended =
        "UPDATE links SET name = 'ab' || CHAR(0) || 'c' WHERE iccid = '89490000000000000010'";
    world.exec(ended).await;
    assert_eq!(found(&world, orgs[0], "89490000000000000010").await, [made[10]]);
}

/// Links that were there before the migrations that make indexes of them. On PostgreSQL a later one
/// replaces the function that the index was made with.
pub async fn links_of_before_the_index_are_found(world: World) {
    let is_sqlite = matches!(world.read().await.conn(), Conn::Sqlite(_));
    undo_digits(&world).await;
    if is_sqlite {
        world.exec("DROP TABLE links_text").await;
        world.exec("DROP TABLE link_numbers").await;
    }
    world.exec("DELETE FROM _sqlx_migrations WHERE version = 13").await;
    let ([org, other], made) = links(&world).await;
    world.db.migrate().await.unwrap();
    for (n, search) in searches(&made).iter().step_by(7).enumerate() {
        let org = [org, other][n % 2];
        let expected = scanned(&world, org, search).await;
        assert_eq!(found(&world, org, search).await, expected, "{search:?}");
    }
    let new = Uuid::from_u128(0x0191_1234_5678_7abc_8abc_fade_feed_f00d);
    insert(&world, org, new, Some("one more"), 9_999).await;
    world.exec("UPDATE links SET name = 'renamed' WHERE iccid = '89490000000000000010'").await;
    world.exec("DELETE FROM links WHERE iccid = '89490000000000000012'").await;
    assert_eq!(found(&world, org, "one more").await, [new]);
    assert_eq!(found(&world, org, "renamed").await, [made[10]]);
    assert_eq!(found(&world, org, "hello").await, NONE);
    assert_eq!(found(&world, org, "89490000000000000012").await, NONE);
    if !is_sqlite {
        return;
    }
    world.exec("INSERT INTO links_text (links_text) VALUES ('integrity-check')").await;
    world.exec("INSERT INTO links_digits (links_digits) VALUES ('integrity-check')").await;
    // What a Link no longer has is gone from the index itself; the other organization's has it still.
    for (table, text, count) in [
        ("links_text", "hello", 1),
        ("links_text", "renamed", 1),
        ("links_text", "89490000000000000012", 0),
        ("links_digits", "000012", 0),
        ("links_digits", "000013", 1),
        ("links_digits", "009999", 1),
    ] {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE {table} MATCH $1");
        let sql = sqlx::AssertSqlSafe(sql);
        assert_eq!(one!(world.read().await, (i64,), sql, text).unwrap(), (count,), "{text}");
    }

    // It is the indexes that are asked, and not each Link: digits first.
    let by_digits = ["89490000000000000010", "009999"];
    let by_trigrams = ["one more", "käse*"];
    world.exec("INSERT INTO links_text (links_text) VALUES ('delete-all')").await;
    for search in by_trigrams {
        assert_eq!(found(&world, org, search).await, NONE, "{search}");
    }
    for search in by_digits {
        assert_eq!(found(&world, org, search).await.len(), 1, "{search}");
    }
    world.exec("INSERT INTO links_digits (links_digits) VALUES ('delete-all')").await;
    for search in by_digits {
        assert_eq!(found(&world, org, search).await, NONE, "{search}");
    }
    assert_eq!(found(&world, org, "ab").await, scanned(&world, org, "ab").await);
}
