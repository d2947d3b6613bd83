//! `docs/configuration.md` is the sample file as a table: there is one place where a setting is
//! described. And what the pages point to is there.

use regex_lite::Regex;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const SAMPLE: &str = include_str!("../../bappy.sample.toml");

const HEAD: &str = "\
# Configuration

Made by tests/config from `bappy.sample.toml` (`BAPPY_UPDATE=1 cargo test --test config`).

`bappy serve --config FILE` reads one TOML file; every key may also be an environment variable, which
wins: `BAPPY_` and the key in capitals, with two underscores between levels. A variable that is empty is
not set. A wrong or unknown key, a missing secret or a database that cannot be reached stops the start
with a sentence that names it; an operator or an identity provider that cannot be reached does not.

";

fn variable(key: &str) -> String {
    format!("BAPPY_{}", key.to_uppercase().replace('.', "__"))
}

/// The page.
fn page() -> String {
    let mut page = String::from(HEAD);
    let (mut table, mut comment, mut started) = (String::new(), String::new(), false);
    let mut after_key = false;
    // What the file says of itself comes first, and is the head's.
    let lines = SAMPLE.lines().skip_while(|line| !line.is_empty());
    for line in lines {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut table);
            let _ = write!(page, "\n## {table}\n\n");
            if !comment.is_empty() {
                let _ = write!(page, "{comment}\n\n");
            }
            page.push_str("| key | default | variable | |\n|---|---|---|---|\n");
            (comment, started) = (String::new(), true);
            continue;
        }
        let (plain, is_set) = match line.strip_prefix('#') {
            Some(plain) => (plain, false),
            None => (line, true),
        };
        let pair = plain
            .split_once(" = ")
            .filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        match pair {
            Some((name, value)) => {
                if !started {
                    page.push_str("| key | default | variable | |\n|---|---|---|---|\n");
                    started = true;
                }
                let key =
                    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
                let default =
                    if is_set { format!("`{value}`") } else { format!("none; such as `{value}`") };
                let variable = variable(&key);
                let _ = writeln!(page, "| `{key}` | {default} | `{variable}` | {comment} |");
                after_key = true;
            }
            None if line.is_empty() => comment.clear(),
            // A new comment; lines of one go together.
            None => {
                if std::mem::take(&mut after_key) {
                    comment.clear();
                }
                if !comment.is_empty() {
                    comment.push(' ');
                }
                comment.push_str(plain.trim());
            }
        }
    }
    page
}

#[test]
fn the_documentation_is_the_sample() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("BAPPY_UPDATE").is_some() {
        fs::write(&file, page()).unwrap();
    }
    assert!(
        fs::read_to_string(file).unwrap_or_default() == page(),
        "docs/configuration.md is not as the sample says: BAPPY_UPDATE=1 cargo test --test config"
    );
    for key in bappy::config::Config::keys() {
        assert!(page().contains(&format!("| `{key}` |")), "{key}");
    }
}

/// A heading as the page's links name it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let page = fs::read_to_string(page).unwrap();
    let heading = Regex::new(r"(?m)^#+ (.*)$").unwrap();
    heading.captures_iter(&page).any(|found| anchor(&found[1]) == wanted)
}

#[test]
fn what_the_pages_point_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|page| page.extension().is_some_and(|kind| kind == "md"));
    let beside = ["README.md", "SECURITY.md", "CHANGELOG.md", "data/README.md"];
    let link = Regex::new(r"\]\(([^)#]*)(?:#([^)]+))?\)").unwrap();
    // A path in code, from the repository's root.
    let named =
        Regex::new(r"[` ]((?:docs|tests|packaging|prometheus|grafana|src|actors)/[\w./-]+)`");
    let named = named.unwrap();
    let mut links = 0;
    for page in pages.chain(beside.map(|name| root.join(name))) {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text).filter(|found| !found[1].starts_with("http")) {
            let to = match &found[1] {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            assert!(to.exists(), "{}: {}", page.display(), &found[0]);
            let section = found.get(2).is_none_or(|anchor| has_heading(&to, anchor.as_str()));
            assert!(section, "{}: {}", page.display(), &found[0]);
            links += 1;
        }
        for found in named.captures_iter(&text) {
            assert!(root.join(&found[1]).exists(), "{}: {}", page.display(), &found[1]);
        }
    }
    assert!(links > 20, "{links}");
}
