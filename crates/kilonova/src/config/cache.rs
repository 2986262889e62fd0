//! The section about the hosts' image caches. Names and defaults are Nova's where Nova has them.

use compute_agent::{Budget, CacheSettings};
use settings::{Opt, Reader, Section};

/// `[image_cache]`.
#[derive(Debug, Clone)]
pub struct ImageCacheSection(pub CacheSettings);

impl Section for ImageCacheSection {
    const NAME: &'static str = "image_cache";
    const ABOUT: &'static str = "The images that a host keeps for its servers.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::text(
                "budget",
                "20%",
                "What all cached images may take together: a part of the disk (`20%`) or a size \
                 (`50G`). Those that no server needs go first; a build that finds no room is \
                 refused.",
            ),
            Opt::boolean(
                "remove_unused_base_images",
                "true",
                "Whether images that no server needs go after a while.",
            ),
            Opt::seconds(
                "remove_unused_original_minimum_age_seconds",
                "86400",
                "How long an image stays after its last use.",
            ),
            Opt::seconds(
                "manager_interval",
                "2400",
                "How often the cache is looked through.",
            ),
            Opt::integer(
                "max_kernel_mb",
                "128",
                "MiB of the largest kernel of an image.",
            )
            .range(1, 1_000_000),
            Opt::integer(
                "max_ramdisk_mb",
                "1024",
                "MiB of the largest ramdisk of an image.",
            )
            .range(1, 1_000_000),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let usual = CacheSettings::default();
        let mib = |number: u64| number << 20;
        ImageCacheSection(CacheSettings {
            budget: from.parsed::<Budget>("budget").unwrap_or(usual.budget),
            remove_unused: from.boolean("remove_unused_base_images"),
            unused_age: from.seconds("remove_unused_original_minimum_age_seconds"),
            interval: from.seconds("manager_interval"),
            max_kernel: mib(from.integer("max_kernel_mb")),
            max_ramdisk: mib(from.integer("max_ramdisk_mb")),
            ..usual
        })
    }
}
