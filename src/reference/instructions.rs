//! How an eSIM is installed, in the languages of `data/instructions`. Parsed once, on first use.
//!
//! Called by `GET /info/instructions`; the beginnings of the universal links also by the views of
//! Links. **Invariant:** the guides of all languages have the same steps in the same order.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use utoipa::ToSchema;

/// What stands before the percent-encoded activation code in a link that installs it on an iPhone.
pub const APPLE_LINK: &str = "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata=";
/// The same for Android.
pub const ANDROID_LINK: &str = "https://esimsetup.android.com/esim_qrcode_provisioning?carddata=";

/// The first version of iOS that opens [`APPLE_LINK`].
const IOS_VERSION_MIN: &str = "17.4";
/// The first version of Android that opens [`ANDROID_LINK`].
const ANDROID_VERSION_MIN: &str = "10";

/// What stands in a template for the percent-encoded `lpa_profile` of a Link.
const PLACEHOLDER: &str = "{lpa_profile}";

/// A language of the guides.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
    /// Spanish.
    Es,
    /// French.
    Fr,
    /// German.
    De,
    /// Arabic.
    Ar,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::En, Self::Ja, Self::Es, Self::Fr, Self::De, Self::Ar];

    /// Its ISO 639-1 code, lower case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ja => "ja",
            Self::Es => "es",
            Self::Fr => "fr",
            Self::De => "de",
            Self::Ar => "ar",
        }
    }

    /// The language of an ISO 639-1 code, in any case.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    const fn text(self) -> &'static str {
        match self {
            Self::En => include_str!("../../data/instructions/en.json"),
            Self::Ja => include_str!("../../data/instructions/ja.json"),
            Self::Es => include_str!("../../data/instructions/es.json"),
            Self::Fr => include_str!("../../data/instructions/fr.json"),
            Self::De => include_str!("../../data/instructions/de.json"),
            Self::Ar => include_str!("../../data/instructions/ar.json"),
        }
    }
}

/// The guides of one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Instructions {
    /// For iPhones.
    pub ios: Guide,
    /// For Android.
    pub android: Guide,
}

/// How an eSIM is installed on one kind of phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InstallationGuide)]
pub struct Guide {
    /// What it is about.
    pub title: String,
    /// The first version of the system that opens the universal link; older ones scan the QR code.
    pub min_version: &'static str,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The link that installs an eSIM, with `{lpa_profile}` for the percent-encoded activation
    /// code.
    pub universal_link_template: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InstallationStep)]
pub struct Step {
    /// Its place, from 1.
    pub order: usize,
    /// It in a few words.
    pub title: String,
    /// It in full.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    ios: GuideText,
    android: GuideText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuideText {
    title: String,
    steps: Vec<StepText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    title: String,
    text: String,
}

/// The guides in a language.
pub fn instructions(language: Language) -> &'static Instructions {
    // The languages are numbered as `ALL` lists them.
    &all()[language as usize]
}

#[expect(clippy::expect_used, reason = "the data is part of the binary and a test parses it")]
fn all() -> &'static [Instructions; 6] {
    static ALL: OnceLock<[Instructions; 6]> = OnceLock::new();
    ALL.get_or_init(|| Language::ALL.map(|one| parse(one).expect("the embedded guides parse")))
}

fn parse(language: Language) -> Result<Instructions, serde_json::Error> {
    let Texts { ios, android } = serde_json::from_str(language.text())?;
    Ok(Instructions {
        ios: guide(ios, IOS_VERSION_MIN, APPLE_LINK),
        android: guide(android, ANDROID_VERSION_MIN, ANDROID_LINK),
    })
}

fn guide(GuideText { title, steps }: GuideText, min_version: &'static str, link: &str) -> Guide {
    let steps =
        (1..).zip(steps).map(|(order, StepText { title, text })| Step { order, title, text });
    Guide {
        title,
        min_version,
        steps: steps.collect(),
        universal_link_template: format!("{link}{PLACEHOLDER}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_of_all_languages_have_the_same_steps_and_texts_of_their_own() {
        let english = parse(Language::En).unwrap();
        for language in Language::ALL {
            let own = parse(language).unwrap();
            assert_eq!(*instructions(language), own);
            for (own, english) in [(&own.ios, &english.ios), (&own.android, &english.android)] {
                assert_eq!(own.steps.len(), english.steps.len(), "{language:?}");
                let texts = |guide: &Guide| {
                    let steps = guide.steps.iter().flat_map(|s| [s.title.clone(), s.text.clone()]);
                    [guide.title.clone()].into_iter().chain(steps).collect::<Vec<_>>()
                };
                for (own, english) in texts(own).into_iter().zip(texts(english)) {
                    assert_eq!(own.trim(), own);
                    assert!(!own.is_empty());
                    assert_eq!(own == english, language == Language::En, "{own}");
                }
            }
        }
    }
}
