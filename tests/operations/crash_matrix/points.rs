//! The points at which the program can be told to die, as its source names them.

use regex_lite::Regex;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// All names there are.
pub fn in_the_code() -> BTreeSet<String> {
    let naming = Regex::new(r#"(?:fault_point!\(|write!\(\s*self,\s*)"([a-z_.]+)""#).unwrap();
    let mut names = BTreeSet::new();
    for folder in ["src", "actors/src"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for text in sources(&folder) {
            names.extend(naming.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    names
}

fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    texts
}

/// Of the dependencies, the features: those that tests alone ask for come with `all`.
fn features(edges: &str) -> String {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"));
    tree.args(["tree", "--offline", "--locked", "--package", "bappy", "--edges", edges]);
    let ran = tree.args(["--invert", "bappy-actors"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_program_that_is_shipped_has_no_fault_points() {
    assert!(!features("normal,build,features").contains("fault-points"));
    assert!(features("all").contains("fault-points"), "these tests ask for them");
}
