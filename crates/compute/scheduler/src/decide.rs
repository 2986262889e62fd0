//! The decision: every host through every filter, the rest weighed, and a tally of refusals.

use std::collections::HashMap;

use compute_model::request::{Choice, Explanation, PlacementRequest};
use compute_rpc::scheduler::Selection;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::filters::{self, Question};
use crate::settings::Settings;
use crate::{Host, weighers};

/// The hosts, and what they are busy with.
pub struct World<'a> {
    pub hosts: &'a [Host],
    /// How many servers of each host are in heavy work.
    pub busy: &'a HashMap<String, u64>,
}

/// Chooses hosts for `request`, best first, `alternates` more than one.
pub fn decide(
    world: &World<'_>,
    request: &PlacementRequest,
    alternates: usize,
    settings: &Settings,
    random: &mut impl Rng,
) -> Selection {
    let hosts = world.hosts;
    let question = Question::new(request, settings, world.busy);
    let mut explanation = Explanation {
        hosts: hosts.len(),
        ..Explanation::default()
    };
    let mut left: Vec<&Host> = hosts.iter().collect();
    for filter in filters::for_request(&question) {
        let before = left.len();
        let mut example = String::new();
        left.retain(|host| match (filter.passes)(host, &question) {
            Ok(()) => true,
            Err(why) => {
                if example.is_empty() {
                    example = why;
                }
                false
            }
        });
        let refused = before - left.len();
        if refused > 0 {
            explanation
                .refused
                .push((filter.name.to_owned(), refused, example));
        }
    }
    explanation.left = left.len();
    let ranked = rank(left, &question, random);
    let choices = ranked.into_iter().take(alternates + 1).map(|host| Choice {
        host: host.node.host.clone(),
        node: host.node.name.clone(),
        node_id: host.node.id.clone(),
        availability_zone: host.zone(settings).to_owned(),
    });
    Selection {
        choices: choices.collect(),
        explanation,
    }
}

/// Best first; equals in random order, so that simultaneous questions spread; then one of the
/// `host_subset_size` best is moved to the front.
fn rank<'a>(mut hosts: Vec<&'a Host>, question: &Question, random: &mut impl Rng) -> Vec<&'a Host> {
    hosts.shuffle(random);
    let scores = weighers::scores(&hosts, question);
    let mut order: Vec<usize> = (0..hosts.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let subset = question
        .settings
        .host_subset_size
        .clamp(1, order.len().max(1));
    if subset > 1 {
        order[..subset].shuffle(random);
    }
    order.into_iter().map(|index| hosts[index]).collect()
}

#[cfg(test)]
mod tests;
