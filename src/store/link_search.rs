//! Links with a text somewhere in their name, ICCID, MSISDN or id. Called by the list of Links.
//!
//! An index of trigrams (`links_text`) says which Links may have it, of all organizations. It goes through
//! the list of each trigram asked for, and those that nearly all Links have are as long as the table: the
//! first digits of all ICCIDs, the word that all names begin with. So it is asked for what tells Links apart,
//! and the few that it gives are tested for all of the text, and for whose they are: an organization that has
//! half of all Links would be another list of that length. On PostgreSQL it is an index of `links`, on SQLite
//! a table of FTS5 that triggers keep. Where PostgreSQL has none, or row-level security hides it, and for less
//! than a trigram, all of the organization's Links are read.
//!
//! **Invariant:** what is found is what has the text, whatever the index is asked for.

use super::link_summaries::LinkFilter;
use super::page::containing;
use super::{Conn, DbError, Text, Tx};
use bappy_actors::model::{LinkId, OrgId};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// So many are tested and put in order at hand; where there are more they are counted in the database.
const FEW: usize = 1_000;
/// Digits that tell Links apart stand at the end: of an ICCID, of a number, of a numbered name. Six are
/// few Links among a million, and four lists of trigrams.
const TELLING_DIGITS: usize = 6;
/// Fewer digits in a row than this are in too many Links to ask for them alone.
const TELLING_DIGITS_MIN: usize = 5;

/// The length of an id as text, and that of the longest stretch of it without a hyphen.
const ID_LENGTH: usize = 36;
const ID_STRETCH: usize = 12;

/// An id as text: one database writes it itself, the other holds its sixteen bytes.
const ID_TEXT_POSTGRES: &str = "CAST(l.id AS TEXT)";
const ID_TEXT_SQLITE: &str =
    "LOWER(SUBSTR(HEX(l.id), 1, 8) || '-' || SUBSTR(HEX(l.id), 9, 4) || '-'
    || SUBSTR(HEX(l.id), 13, 4) || '-' || SUBSTR(HEX(l.id), 17, 4) || '-'
    || SUBSTR(HEX(l.id), 21))";

/// The shortest text that an index of trigrams can be asked for.
const TRIGRAM: usize = 3;
/// The most that FTS5 is asked for of a text, which is an ICCID: each character more is another list.
const PHRASE_MAX: usize = 20;

/// All that is searched of a Link, in the words of PostgreSQL's index `links_text`: what does not have the text
/// somewhere in this has it in no column.
const INDEXED: &str = "LOWER(COALESCE(l.name, '') || ' ' || l.iccid || ' '
    || COALESCE(l.msisdn, '') || ' ' || CAST(l.id AS TEXT)) LIKE LOWER(";

/// That a Link has `search`, whose pattern is the argument `pattern`, in SQL.
pub(super) fn condition(is_postgres: bool, search: &str, pattern: &str) -> String {
    let tested = tested(is_postgres, search, pattern);
    if is_postgres {
        format!(" AND {INDEXED}{pattern}) AND {tested}")
    } else {
        format!(" AND {tested}")
    }
}

/// That it is in one of the columns. An id is not put together where it cannot have the text.
fn tested(is_postgres: bool, search: &str, pattern: &str) -> String {
    let like = |text: &str| format!(r"{text} LIKE LOWER({pattern}) ESCAPE '\'");
    let mut columns = ["LOWER(l.name)", "l.iccid", "l.msisdn"].map(like).to_vec();
    if may_be_in_an_id(search) {
        columns.push(if is_postgres {
            like(ID_TEXT_POSTGRES)
        } else if search.contains('-') {
            like(ID_TEXT_SQLITE)
        } else {
            // Most ids are out by their digits alone.
            format!("(HEX(l.id) LIKE {pattern} AND {})", like(ID_TEXT_SQLITE))
        });
    }
    format!("({})", columns.join(" OR "))
}

fn may_be_in_an_id(search: &str) -> bool {
    search.len() <= ID_LENGTH
        && search.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
        && search.split('-').all(|stretch| stretch.len() <= ID_STRETCH)
}

/// What the index is asked for: the end of the last digits, where there are enough of them.
fn telling(search: &str) -> &str {
    search
        .split(|c: char| !c.is_ascii_digit())
        .rfind(|digits| digits.len() >= TELLING_DIGITS_MIN)
        .map_or(search, |digits| &digits[digits.len().saturating_sub(TELLING_DIGITS)..])
}

/// All Links that a search finds, newest first, if they are few; none where they may be many.
pub(super) async fn few(
    tx: &mut Tx,
    org: OrgId,
    filter: &LinkFilter,
) -> Result<Option<Vec<LinkId>>, DbError> {
    let search = filter.search.as_deref().unwrap_or_default();
    let is_postgres = matches!(tx.conn(), Conn::Postgres(_));
    let ask = |part| if is_postgres { trigrams(part) } else { phrases(part) };
    let mut asked_for = vec![None];
    if let Some(whole) = ask(search)
        && (!is_postgres || is_indexed(tx).await?)
    {
        asked_for = vec![Some(whole)];
        if telling(search) != search {
            // Where the digits tell too little, the rest may tell more.
            asked_for.insert(0, ask(telling(search)));
        }
    }
    for part in asked_for {
        let found = found(tx, org, filter, (search, part), is_postgres).await?;
        if found.len() <= FEW {
            let has_it = found.into_iter().filter(|(_, has_it)| *has_it);
            let mut ids: Vec<LinkId> = has_it.map(|(id, _)| LinkId(id)).collect();
            ids.sort_unstable_by(|one, other| other.cmp(one));
            return Ok(Some(ids));
        }
    }
    Ok(None)
}

/// What PostgreSQL's index is asked for: a pattern, if it need not be read from end to end for it.
fn trigrams(part: &str) -> Option<String> {
    let mut words = part.split(|c: char| !c.is_alphanumeric());
    words.any(|word| word.chars().count() >= TRIGRAM).then(|| containing(part))
}

/// What FTS5 is asked for: phrases of which a Link has all, and the quotes around each of them. It folds the
/// case of more letters than the test does, and so misses none.
fn phrases(part: &str) -> Option<String> {
    // It has ids without their hyphens.
    let texts = if may_be_in_an_id(part) { part.split('-').collect() } else { vec![part] };
    let phrases: Vec<_> = texts
        .into_iter()
        .filter(|text| text.chars().count() >= TRIGRAM)
        .map(|text| {
            let end = text.char_indices().rev().nth(PHRASE_MAX - 1).map_or(0, |(at, _)| at);
            format!("\"{}\"", text[end..].replace('"', "\"\""))
        })
        .collect();
    (!phrases.is_empty()).then(|| phrases.join(" AND "))
}

/// Whether PostgreSQL's index is there, and serves whoever asks.
async fn is_indexed(tx: &mut Tx) -> Result<bool, DbError> {
    let sql = "SELECT to_regclass('links_text') IS NOT NULL AND NOT row_security_active('links')";
    Ok(one!(tx, (bool,), sql)?.0)
}

/// Links that the index gives for what it is asked for, or else the organization's that have all of it, and
/// whether they are what is looked for: one more than [`FEW`] at most.
async fn found(
    tx: &mut Tx,
    org: OrgId,
    filter: &LinkFilter,
    (search, asked_for): (&str, Option<String>),
    is_postgres: bool,
) -> Result<Vec<(Uuid, bool)>, DbError> {
    let wanted =
        format!("l.org_id = $1{} AND {}", filter.condition(), tested(is_postgres, search, "$4"));
    let sql = match (&asked_for, is_postgres) {
        // Materialized, PostgreSQL plans for all that there are, and stops where it has enough.
        (Some(_), true) => format!(
            "WITH found AS MATERIALIZED (
                 SELECT l.id, COALESCE({wanted}, FALSE) AS is_wanted FROM links l
                 WHERE {INDEXED}$5))
             SELECT id, is_wanted FROM found LIMIT $6"
        ),
        // SQLite reads tables that are joined so in the order in which they are named.
        (Some(_), false) => format!(
            "SELECT l.id, COALESCE({wanted}, FALSE) FROM links_text t
             CROSS JOIN link_numbers n ON n.number = t.rowid
             CROSS JOIN links l ON l.org_id = n.org_id AND l.id = n.link_id
             WHERE t.links_text MATCH $5 LIMIT $6"
        ),
        (None, _) => format!("SELECT l.id, TRUE FROM links l WHERE {wanted} LIMIT $6"),
    };
    Ok(all!(
        tx,
        (Uuid, bool),
        AssertSqlSafe(sql),
        org.0,
        filter.status.map(|status| status.word()),
        filter.kind.map(|kind| kind.word()),
        containing(search),
        asked_for,
        i64::try_from(FEW + 1).unwrap_or(i64::MAX)
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_asked_for_what_tells_links_apart() {
        for (search, part) in [
            ("89000000000000123456", "123456"),
            ("123456", "123456"),
            ("12345", "12345"),
            ("1234567", "234567"),
            ("traveller 123456", "123456"),
            ("12345 router 12", "12345"),
            ("router 12", "router 12"),
            ("Ünïque", "Ünïque"),
            ("", ""),
        ] {
            assert_eq!(telling(search), part, "{search}");
        }
    }

    #[test]
    fn the_index_is_not_asked_for_less_than_a_trigram() {
        assert!(["abc", "a abc", "%été"].iter().all(|part| trigrams(part).is_some()));
        assert!(["", "ab", "a-b_c%", "é é"].iter().all(|part| trigrams(part).is_none()));
        assert!(["abc", "é é", "%_-"].iter().all(|part| phrases(part).is_some()));
        assert!(["", "ab", "é%", "ab-12-", "---"].iter().all(|part| phrases(part).is_none()));
    }

    #[test]
    fn fts5_is_asked_for_phrases() {
        let long = "ü".repeat(30);
        for (part, asked_for) in [
            ("traveller", r#""traveller""#),
            (r#"a "b" -c"#, r#""a ""b"" -c""#),
            (r"100%_\ OR *", r#""100%_\ OR *""#),
            ("0190-7ab-12", r#""0190" AND "7ab""#),
            ("0190-xyz", r#""0190-xyz""#),
            (&long, &format!("\"{}\"", "ü".repeat(PHRASE_MAX))),
        ] {
            assert_eq!(phrases(part).as_deref(), Some(asked_for), "{part}");
        }
    }

    #[test]
    fn an_id_has_no_more_than_its_stretches() {
        for search in ["0190-7", "deadBEEF", "-", "123456789012", &Uuid::nil().to_string()] {
            assert!(may_be_in_an_id(search), "{search}");
        }
        for search in ["g", "1234567890123", "+49", &format!("{}-", Uuid::nil())] {
            assert!(!may_be_in_an_id(search), "{search}");
        }
    }
}
