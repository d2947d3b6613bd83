//! Links with a text somewhere in their name, ICCID, MSISDN or id. Called by the list of Links.
//!
//! An index says which Links may have it, of all organizations: of trigrams (`links_text`), and before that of
//! digits (`links_digits`). One of trigrams goes through the list of each that is asked for, and those that nearly
//! all Links have are as long as the table: the first digits of all ICCIDs, the word that all names begin with. So it
//! is asked for what tells Links apart, and the few that it gives are tested for all of the text, and for whose they
//! are: an organization that has half of all Links would be another list of that length. On SQLite both are tables
//! of FTS5 that triggers keep. Where PostgreSQL has no trigrams, or row-level security hides its indexes, and for
//! less than a trigram, all of the organization's Links are read.
//!
//! **Invariant:** what is found is what has the text, whatever the index is asked for.

use super::link_summaries::LinkFilter;
use super::page::containing;
use super::{Conn, DbError, Tx};
use bappy_actors::model::{LinkId, OrgId};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// So many at most are tested and put in order at hand; where there are more they are counted in the database. A number
/// that a Link of each of some thousand organizations has is still found so.
const FEW_MAX: i64 = 4_000;
/// Of an organization with fewer Links as many as it has: to read all of these costs no more. So many at least.
const FEW_MIN: i64 = 100;
/// Digits that tell Links apart stand at the end: of an ICCID, of a number, of a numbered name. Six are
/// few Links among a million, and four lists of trigrams.
const TELLING_DIGITS: usize = 6;
/// Fewer digits in a row than this are in too many Links to ask for them alone.
const TELLING_ALONE_MIN: usize = 5;
/// Fewer than this are so even with what stands beside them.
const TELLING_MIN: usize = 3;
/// Of so many six digits in a row a Link is asked for at most: each is a list to go through.
const ALL_DIGITS_MAX: usize = 24;

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

/// The digits of a Link, in the words of PostgreSQL's index `links_digits`.
const DIGITS: &str = "digits_of(COALESCE(l.name, '') || ' ' || l.iccid || ' '
    || COALESCE(l.msisdn, '') || ' ' || CAST(l.id AS TEXT))";

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
    // SQLite's LIKE takes small and capital letters for the same, and makes none small that LOWER leaves.
    let name = if is_postgres { "LOWER(l.name)" } else { "l.name" };
    let mut columns = [name, "l.iccid", "l.msisdn"].map(like).to_vec();
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

/// The digits of a text, stretch by stretch.
fn stretches(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit())
}

/// The most digits in a row, and where they begin; the last of several.
fn longest_digits(search: &str) -> (usize, &str) {
    let digits = stretches(search).max_by_key(|digits| digits.len()).unwrap_or_default();
    // Nowhere behind them are there so many.
    (search.rfind(digits).unwrap_or_default(), digits)
}

/// What an index of trigrams is asked for: the end of the longest digits, where there are enough of them; of few,
/// with what stands before and after.
fn telling(search: &str) -> &str {
    let (from, digits) = longest_digits(search);
    let to = from + digits.len();
    if digits.len() >= TELLING_DIGITS {
        return &search[to - TELLING_DIGITS..to];
    }
    // What is a small letter may depend on what stands before it.
    let length =
        |beside: Option<char>| beside.filter(|c| !c.is_alphabetic()).map_or(0, char::len_utf8);
    let before = length(search[..from].chars().next_back());
    let after = length(search[to..].chars().next());
    let is_telling =
        digits.len() >= TELLING_ALONE_MIN || digits.len() >= TELLING_MIN && before + after > 0;
    if is_telling { &search[from - before..to + after] } else { search }
}

/// What an index of digits is asked for: six, which are the last, or fewer that begin where they do in a
/// Link, behind how many they are.
fn telling_digits(search: &str) -> Option<String> {
    match longest_digits(search) {
        (_, digits) if digits.len() >= TELLING_DIGITS => {
            Some(digits[digits.len() - TELLING_DIGITS..].to_owned())
        }
        (1.., digits) if digits.len() >= TELLING_MIN => {
            Some(format!("{}{digits:0>TELLING_DIGITS$}", digits.len()))
        }
        _ => None,
    }
}

/// All Links that a search finds, newest first, if they are few; none where they may be many.
pub(super) async fn few(
    tx: &mut Tx,
    org: OrgId,
    filter: &LinkFilter,
) -> Result<Option<Vec<LinkId>>, DbError> {
    let search = filter.search.as_deref().unwrap_or_default();
    let asked_for = match tx.conn() {
        Conn::Postgres(_) => {
            ask(search, indexes(tx).await?, |part| trigrams(part).map(Ask::Trigrams))
        }
        Conn::Sqlite(_) => ask(search, SQLITE_INDEXES, |part| phrases(part).map(Ask::Phrases)),
    };
    for part in asked_for {
        if let Some(mut ids) = found(tx, org, filter, search, part).await? {
            ids.sort_unstable_by(|one, other| other.cmp(one));
            return Ok(Some(ids));
        }
    }
    Ok(None)
}

/// What says which Links may have a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ask {
    /// The index of digits, for all of these.
    Digits(Vec<String>),
    /// PostgreSQL's index of trigrams, for a pattern.
    Trigrams(String),
    /// SQLite's, for phrases.
    Phrases(String),
    /// Nothing does: each is read.
    All,
}

/// The indexes that are there, and serve whoever asks.
#[derive(Clone, Copy)]
struct Indexes {
    digits: bool,
    /// Whether fewer digits than six are in it of ids as well: what begins a part of one begins those of many.
    few_digits_of_ids: bool,
    trigrams: bool,
}

const SQLITE_INDEXES: Indexes = Indexes { digits: true, few_digits_of_ids: false, trigrams: true };

/// Those of PostgreSQL.
async fn indexes(tx: &mut Tx) -> Result<Indexes, DbError> {
    let sql = "SELECT seen AND to_regclass('links_digits') IS NOT NULL,
            seen AND to_regclass('links_text') IS NOT NULL
        FROM (SELECT NOT row_security_active('links') AS seen) AS wall";
    let (digits, trigrams) = one!(tx, (bool, bool), sql)?;
    Ok(Indexes { digits, few_digits_of_ids: true, trigrams })
}

/// What the indexes are asked for, one after the other while what they tell is too little; at last for the whole
/// of it by trigrams, which are asked for as `by_trigrams` says.
fn ask(search: &str, indexes: Indexes, by_trigrams: impl Fn(&str) -> Option<Ask>) -> Vec<Ask> {
    let Some(whole) = by_trigrams(search) else { return vec![Ask::All] };
    let mut asked_for = Vec::new();
    if indexes.digits
        && let Some(digits) = telling_digits(search)
        && (digits.len() == TELLING_DIGITS || indexes.few_digits_of_ids || !may_be_in_an_id(search))
    {
        asked_for.push(Ask::Digits(vec![digits]));
        let all = all_six_digits(search);
        if all.len() > 1 {
            asked_for.push(Ask::Digits(all));
        }
    }
    if !indexes.trigrams {
        asked_for.push(Ask::All);
        return asked_for;
    }
    if asked_for.is_empty() && telling(search) != search {
        asked_for.extend(by_trigrams(telling(search)));
    }
    asked_for.push(whole);
    asked_for
}

/// Every six digits in a row that there are, each once, of what an ICCID and a number have.
fn all_six_digits(search: &str) -> Vec<String> {
    let parts = stretches(search).flat_map(|digits| {
        (TELLING_DIGITS..=digits.len()).map(|end| &digits[end - TELLING_DIGITS..end])
    });
    let mut all: Vec<String> = Vec::new();
    for part in parts.take(ALL_DIGITS_MAX) {
        if !all.iter().any(|one| one == part) {
            all.push(part.to_owned());
        }
    }
    all
}

/// What PostgreSQL's index of trigrams is asked for: a pattern, if it need not be read from end to end for it.
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

/// Of the Links that an index gives for what it is asked for, or else of all of the organization, those that are
/// looked for; none where the index gives more than are tested at hand.
async fn found(
    tx: &mut Tx,
    org: OrgId,
    filter: &LinkFilter,
    search: &str,
    asked_for: Ask,
) -> Result<Option<Vec<LinkId>>, DbError> {
    let is_postgres = matches!(tx.conn(), Conn::Postgres(_));
    let wanted =
        format!("l.org_id = $1{} AND {}", filter.condition(), tested(is_postgres, search, "$2"));
    // What is given without an index is wanted.
    let is_wanted = match asked_for {
        Ask::All => "TRUE".to_owned(),
        _ => format!("COALESCE({wanted}, FALSE)"),
    };
    // PostgreSQL plans an index's as for all that there are, and stops where it has enough; SQLite would first read
    // them all.
    let materialized = match asked_for {
        Ask::Digits(_) | Ask::Trigrams(_) if is_postgres => "MATERIALIZED",
        _ => "NOT MATERIALIZED",
    };
    let (given, text) = match asked_for {
        // An extension may bring another `@>` of integers, which no index of ours serves.
        Ask::Digits(digits) if is_postgres => (
            format!("links l WHERE {DIGITS} OPERATOR(pg_catalog.@>) CAST($3 AS INTEGER[])"),
            Some(format!("{{{}}}", digits.join(","))),
        ),
        Ask::Digits(digits) => (by_fts5("links_digits"), Some(digits.join(" AND "))),
        Ask::Trigrams(pattern) => (format!("links l WHERE {INDEXED}$3)"), Some(pattern)),
        Ask::Phrases(phrases) => (by_fts5("links_text"), Some(phrases)),
        Ask::All => (format!("links l WHERE {wanted}"), None),
    };
    let id = if is_postgres { "CAST(id AS TEXT)" } else { "HEX(id)" };
    // One row, as SQLite's go from thread to thread one by one.
    let sql = format!(
        "WITH bound AS MATERIALIZED (
             SELECT CASE WHEN MAX(links_total) > {FEW_MAX} THEN {FEW_MAX}
                 WHEN MAX(links_total) > {FEW_MIN} THEN MAX(links_total) ELSE {FEW_MIN} END AS few
             FROM wallets WHERE org_id = $1),
         given AS {materialized} (
             SELECT l.id, {is_wanted} AS is_wanted FROM {given}),
         few AS MATERIALIZED (
             SELECT id, is_wanted FROM given LIMIT (SELECT few + 1 FROM bound))
         SELECT COUNT(*) <= (SELECT few FROM bound),
             COALESCE(STRING_AGG(CASE WHEN is_wanted THEN {id} END, ','), '') FROM few"
    );
    let (are_few, ids) =
        one!(tx, (bool, String), AssertSqlSafe(sql), org.0, containing(search), text)?;
    if !are_few {
        return Ok(None);
    }
    let ids = ids.split(',').filter(|id| !id.is_empty()).map(|id| {
        let id = Uuid::parse_str(id).map_err(|error| DbError::Unreadable(error.to_string()))?;
        Ok(LinkId(id))
    });
    ids.collect::<Result<_, _>>().map(Some)
}

/// The Links that a table of FTS5 gives for the argument; of other organizations' only that they are there. SQLite
/// reads tables that are joined so in the order in which they are named.
fn by_fts5(table: &str) -> String {
    format!(
        "{table} t
         CROSS JOIN link_numbers n ON n.number = t.rowid
         LEFT JOIN links l ON n.org_id = $1 AND l.org_id = n.org_id AND l.id = n.link_id
         WHERE t.{table} MATCH $3"
    )
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
            ("123456 router 123", "123456"),
            ("12345 router 12", "12345 "),
            ("router 123 #1234, 4321-", " 4321-"),
            ("router №123", "№123"),
            ("router123", "router123"),
            ("router12345", "12345"),
            ("router 12", "router 12"),
            ("Ünïque", "Ünïque"),
            ("", ""),
        ] {
            assert_eq!(telling(search), part, "{search}");
        }
    }

    #[test]
    fn what_tells_little_is_followed_by_what_may_tell_more() {
        let digits = |text: &str| Ask::Digits(text.split(',').map(str::to_owned).collect());
        let pattern = |text: &str| Ask::Trigrams(format!("%{text}%"));
        let both = Indexes { digits: true, few_digits_of_ids: true, trigrams: true };
        let no_trigrams = Indexes { trigrams: false, ..both };
        let hidden = Indexes { digits: false, ..no_trigrams };
        for (search, indexes, asked_for) in [
            ("1234567", both, vec![digits("234567"), digits("123456,234567"), pattern("1234567")]),
            ("012345", both, vec![digits("012345"), pattern("012345")]),
            ("0000000", both, vec![digits("000000"), pattern("0000000")]),
            ("router 01234", both, vec![digits("5001234"), pattern("router 01234")]),
            ("-0123", both, vec![digits("4000123"), pattern("-0123")]),
            ("-0123", SQLITE_INDEXES, vec![pattern("-0123")]),
            ("-012345", SQLITE_INDEXES, vec![digits("012345"), pattern("-012345")]),
            ("x-0123", SQLITE_INDEXES, vec![digits("4000123"), pattern("x-0123")]),
            ("router0123", both, vec![digits("4000123"), pattern("router0123")]),
            ("123 routers", both, vec![pattern("123 "), pattern("123 routers")]),
            ("router 12", both, vec![pattern("router 12")]),
            ("router", both, vec![pattern("router")]),
            ("ab", both, vec![Ask::All]),
            (
                "ö123456 7654321",
                no_trigrams,
                vec![digits("654321"), digits("123456,765432,654321"), Ask::All],
            ),
            ("router 123456", no_trigrams, vec![digits("123456"), Ask::All]),
            ("router 12345", no_trigrams, vec![digits("5012345"), Ask::All]),
            ("12345 routers", no_trigrams, vec![Ask::All]),
            ("1234567", hidden, vec![Ask::All]),
        ] {
            let by_trigrams = |part: &str| trigrams(part).map(Ask::Trigrams);
            assert_eq!(ask(search, indexes, by_trigrams), asked_for, "{search}");
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
