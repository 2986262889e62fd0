//! Canaries: secrets that are seeded in a cloud, and looked for where they may not be.

pub mod search;
mod wire;

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Answer;
use search::Place;
pub use wire::Wire;

/// What a secret is, where it may lie, and why. A place that ends in `*` stands for all that begin so.
pub type Home = (&'static str, &'static str, &'static str);

/// All secrets of a cloud, and the answers in which none may be.
#[derive(Default)]
pub struct Canaries {
    /// What it is, and the text to look for.
    secrets: Vec<(&'static str, String)>,
    answers: Vec<Place>,
}

impl Canaries {
    /// A new secret.
    pub fn seed(&mut self, what: &'static str) -> String {
        let text = format!("Canary{}", hex::encode(rand::random::<[u8; 12]>()));
        self.learn(what, &text);
        text
    }

    /// A secret that the cloud made.
    ///
    /// # Panics
    /// It is too short to be found by.
    pub fn learn(&mut self, what: &'static str, text: &str) {
        assert!(text.len() >= 12, "{what}: too short to be found by: {text}");
        self.secrets.push((what, text.to_owned()));
    }

    /// An answer in which no secret may be.
    pub fn heard(&mut self, what: &str, answer: &Answer) {
        let text = format!("{:?}\n{}", answer.headers, answer.text);
        self.answers
            .push(Place::new(format!("the answer to {what}"), text.as_bytes()));
    }

    /// All answers that were heard.
    pub fn answers(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.answers)
    }

    /// The secrets that lie at places which no table allows them, or that others may read there, a line each.
    pub fn strays(&self, places: &[Place], homes: &[&[Home]]) -> String {
        let mut strays = String::new();
        for (what, text) in &self.secrets {
            for form in forms(text) {
                for place in places.iter().filter(|place| place.holds(&form)) {
                    let mut homes = homes.iter().flat_map(|table| table.iter());
                    let home = homes.any(|(who, home, _)| who == what && place.is(home));
                    let line = match (home, place.readable_by_others) {
                        (false, _) => place.around(&form),
                        (true, Some(mode)) => format!("others may read it: mode {mode:o}"),
                        (true, None) => continue,
                    };
                    writeln!(strays, "{what} in {}: {line}", place.name).expect("memory");
                }
            }
        }
        strays
    }

    /// Whether a secret of this kind lies there.
    pub fn lives(&self, what: &str, home: &str, places: &[Place]) -> bool {
        let mut those = self.secrets.iter().filter(|(name, _)| *name == what);
        those.any(|(_, text)| {
            let forms = forms(text);
            let mut places = places.iter().filter(|place| place.is(home));
            places.any(|place| forms.iter().any(|form| place.holds(form)))
        })
    }
}

/// How a secret may be written.
fn forms(text: &str) -> [String; 4] {
    let base64 = STANDARD.encode(text);
    // The last characters depend on what follows.
    let base64 = base64.trim_end_matches('=');
    [
        text.to_owned(),
        base64[..base64.len() - 2].to_owned(),
        hex::encode(text),
        hex::encode_upper(text),
    ]
}
