//! `docs/configuration.md` is the sample file as a table: there is one place where a setting is
//! described.

use std::fmt::Write;
use std::path::PathBuf;

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
        std::fs::write(&file, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(file).unwrap_or_default() == page(),
        "docs/configuration.md is not as the sample says: BAPPY_UPDATE=1 cargo test --test config"
    );
    for key in bappy::config::Config::keys() {
        assert!(page().contains(&format!("| `{key}` |")), "{key}");
    }
}
