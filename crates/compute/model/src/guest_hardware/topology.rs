//! How a guest's processors are arranged: Nova's choice among what flavor and image allow and prefer
//! (`nova.virt.hardware.get_best_cpu_topology`).

use serde::{Deserialize, Serialize};

use super::Asked;

/// Sockets, cores of each, threads of each core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    pub sockets: u32,
    pub cores: u32,
    pub threads: u32,
}

/// Numbers as flavor or image give them; 0 where one says nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    sockets: i64,
    cores: i64,
    threads: i64,
}

impl Numbers {
    fn each(self) -> [i64; 3] {
        [self.sockets, self.cores, self.threads]
    }

    fn is_said(self) -> bool {
        self != Numbers::default()
    }

    /// Whether one of them is above what is said of the most.
    fn exceeds(self, most: Numbers) -> bool {
        let pairs = self.each().into_iter().zip(most.each());
        pairs
            .into_iter()
            .any(|(number, most)| most != 0 && number > most)
    }

    fn or(self, other: Numbers) -> Numbers {
        let first = |one, other| if one != 0 { one } else { other };
        Numbers {
            sockets: first(self.sockets, other.sockets),
            cores: first(self.cores, other.cores),
            threads: first(self.threads, other.threads),
        }
    }
}

/// What an unsaid limit is.
const UNLIMITED: i64 = 65_536;

/// The arrangement; `None` when nobody asks for one.
pub(super) fn of(asked: &Asked, vcpus: u32) -> Result<Option<Topology>, String> {
    let flavor_most = Numbers {
        sockets: asked.spec("hw:cpu_max_sockets")?.unwrap_or_default(),
        cores: asked.spec("hw:cpu_max_cores")?.unwrap_or_default(),
        threads: asked.spec("hw:cpu_max_threads")?.unwrap_or_default(),
    };
    let image_most = Numbers {
        sockets: asked.typed("hw_cpu_max_sockets")?.unwrap_or_default(),
        cores: asked.typed("hw_cpu_max_cores")?.unwrap_or_default(),
        threads: asked.typed("hw_cpu_max_threads")?.unwrap_or_default(),
    };
    let flavor = Numbers {
        sockets: asked.spec("hw:cpu_sockets")?.unwrap_or_default(),
        cores: asked.spec("hw:cpu_cores")?.unwrap_or_default(),
        threads: asked.spec("hw:cpu_threads")?.unwrap_or_default(),
    };
    let image = Numbers {
        sockets: asked.typed("hw_cpu_sockets")?.unwrap_or_default(),
        cores: asked.typed("hw_cpu_cores")?.unwrap_or_default(),
        threads: asked.typed("hw_cpu_threads")?.unwrap_or_default(),
    };
    let said = [flavor_most, image_most, flavor, image];
    if !said.into_iter().any(Numbers::is_said) {
        return Ok(None);
    }
    if image_most.exceeds(flavor_most) {
        return Err(format!(
            "Image vCPU topology limits (sockets={}, cores={}, threads={}) exceeds the limits of the flavor \
             (sockets={}, cores={}, threads={})",
            image_most.sockets,
            image_most.cores,
            image_most.threads,
            flavor_most.sockets,
            flavor_most.cores,
            flavor_most.threads,
        ));
    }
    let unlimited = Numbers {
        sockets: UNLIMITED,
        cores: UNLIMITED,
        threads: UNLIMITED,
    };
    let most = image_most.or(flavor_most).or(unlimited);
    if image.exceeds(most) {
        return Err(format!(
            "Image vCPU topology (sockets={}, cores={}, threads={}) exceeds the limits of the flavor or image \
             (sockets={}, cores={}, threads={})",
            image.sockets, image.cores, image.threads, most.sockets, most.cores, most.threads,
        ));
    }
    let preferred = match (image.is_said(), flavor.exceeds(most)) {
        (true, _) => image,
        (false, true) => Numbers::default(),
        (false, false) => flavor,
    };
    best(vcpus, most, preferred).map(Some)
}

/// The arrangement that has most numbers of the preferred one; then the fewest threads, then the most sockets.
fn best(vcpus: u32, most: Numbers, preferred: Numbers) -> Result<Topology, String> {
    let at_most = |limit: i64| u32::try_from(limit).unwrap_or(0).min(vcpus);
    let (sockets, cores) = (at_most(most.sockets), at_most(most.cores));
    let threads = at_most(most.threads);
    let divides = |number: &u32| vcpus.is_multiple_of(*number);
    let possible = (1..=sockets).filter(divides).flat_map(|sockets| {
        let left = vcpus / sockets;
        (1..=cores.min(left))
            .filter(move |cores| left.is_multiple_of(*cores))
            .map(move |cores| Topology {
                sockets,
                cores,
                threads: left / cores,
            })
    });
    let score = |topology: &Topology| {
        let has = [topology.sockets, topology.cores, topology.threads];
        let pairs = has.into_iter().zip(preferred.each());
        pairs
            .filter(|(has, wanted)| i64::from(*has) == *wanted)
            .count()
    };
    possible
        .filter(|topology| topology.threads <= threads)
        .max_by_key(|topology| {
            (
                score(topology),
                topology.sockets * topology.cores,
                topology.sockets,
            )
        })
        .ok_or_else(|| {
            format!(
                "Requested vCPU limits {sockets}:{cores}:{threads} are impossible to satisfy for vcpus count {vcpus}"
            )
        })
}
