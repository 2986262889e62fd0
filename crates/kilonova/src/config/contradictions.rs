//! Settings that are each allowed, but not together: they end the start.

use super::Config;

/// What must hold, and what is wrong when it does not.
type Rule = (fn(&Config) -> bool, fn(&Config) -> String);

const RULES: &[Rule] = &[
    (
        |config| config.compute.service_down_time > config.compute.report_interval,
        |config| {
            format!(
                "[DEFAULT] service_down_time = {} must be longer than report_interval = {}: every \
                 service would count as down between two reports",
                config.compute.service_down_time.as_secs_f64(),
                config.compute.report_interval.as_secs_f64()
            )
        },
    ),
    (
        |config| {
            let internal = &config.compute.internal_service_availability_zone;
            config.compute.default_schedule_zone.as_ref() != Some(internal)
        },
        |config| {
            format!(
                "[DEFAULT] default_schedule_zone and internal_service_availability_zone are both {}: \
                 no host is ever in that zone",
                config.compute.internal_service_availability_zone
            )
        },
    ),
    (
        |config| {
            let binds = [
                Some(config.api.bind),
                Some(config.console.bind),
                config.api.metadata_bind,
            ];
            let fixed: Vec<_> = binds
                .into_iter()
                .flatten()
                .filter(|at| at.port() != 0)
                .collect();
            (1..fixed.len()).all(|place| !fixed[..place].contains(&fixed[place]))
        },
        |_| {
            "two of [api] bind, [api] metadata_bind and [console] bind are the same address"
                .to_owned()
        },
    ),
];

/// A sentence for each contradiction.
pub fn contradictions(config: &Config) -> Vec<String> {
    let broken = RULES.iter().filter(|(holds, _)| !holds(config));
    broken.map(|(_, sentence)| sentence(config)).collect()
}
