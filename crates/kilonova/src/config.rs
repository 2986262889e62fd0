//! The settings of a process: the sections that operators write, and what the crates make of them.

mod cache;
mod compute;
mod console;
mod contradictions;
pub mod demo;
mod identity;
mod image;
mod place;
mod policy;
mod qemu;
mod scheduling;
mod services;
mod ssl;

use std::path::Path;

use anyhow::{Result, bail};
use settings::{Outside, SectionInfo, Settings, Sources, section};
use telemetry::TelemetrySettings;

pub use compute::{ApiSection, ComputeSection, FakeSection};
pub use console::ConsoleSection;
pub use demo::DemoSection;
pub use identity::{ComplianceSection, FernetSection, IdentitySection};
pub use image::ImageSection;
pub use place::{Driver, Place};
pub use qemu::QemuSection;
pub use scheduling::SchedulerSection;
pub use services::{NetworkSection, Plane};

/// Everything that was read.
pub struct Config {
    pub telemetry: TelemetrySettings,
    pub place: Place,
    pub compute: ComputeSection,
    pub api: ApiSection,
    pub quota: compute::QuotaSection,
    pub console: ConsoleSection,
    pub ssl: ssl::SslSection,
    pub vnc: console::VncSection,
    pub serial: console::SerialSection,
    pub consoleauth: console::ConsoleAuthSection,
    pub policy: policy::PolicySection,
    pub qemu: QemuSection,
    pub fake: FakeSection,
    pub image_cache: cache::ImageCacheSection,
    pub scheduler: SchedulerSection,
    pub filter_scheduler: scheduling::FilterSchedulerSection,
    pub identity: IdentitySection,
    pub compliance: ComplianceSection,
    pub fernet: FernetSection,
    pub image: ImageSection,
    pub network: NetworkSection,
    pub database: services::DatabaseSection,
    pub demo: DemoSection,
    /// What the environment says of proxies and mirrors.
    pub outside: Outside,
    /// What the operator should look at.
    pub warnings: Vec<String>,
}

/// All sections, for reading and for the reference.
pub fn sections() -> Vec<SectionInfo> {
    vec![
        section::<TelemetrySettings>(),
        section::<Place>(),
        section::<ComputeSection>(),
        section::<ApiSection>(),
        section::<compute::QuotaSection>(),
        section::<ConsoleSection>(),
        section::<ssl::SslSection>(),
        section::<console::VncSection>(),
        section::<console::SerialSection>(),
        section::<console::ConsoleAuthSection>(),
        section::<policy::PolicySection>(),
        section::<QemuSection>(),
        section::<FakeSection>(),
        section::<cache::ImageCacheSection>(),
        section::<SchedulerSection>(),
        section::<scheduling::FilterSchedulerSection>(),
        section::<IdentitySection>(),
        section::<ComplianceSection>(),
        section::<FernetSection>(),
        section::<ImageSection>(),
        section::<NetworkSection>(),
        section::<services::DatabaseSection>(),
        section::<DemoSection>(),
    ]
}

impl Config {
    /// Reads files, folders and the environment.
    ///
    /// # Errors
    /// Every value that does not parse, each with its file and line.
    pub fn load(sources: &Sources) -> Result<Self> {
        let mut config = Self::read(&Settings::load(sources, &sections())?)?;
        config.outside = settings::outside();
        Ok(config)
    }

    /// Reads one text as if it were a file; for tests.
    pub fn from_text(text: &str) -> Result<Self> {
        Self::read(&Settings::from_text(text, &sections())?)
    }

    fn read(settings: &Settings) -> Result<Self> {
        let mut problems = Vec::new();
        macro_rules! take {
            () => {
                match settings.read() {
                    Ok(section) => Some(section),
                    Err(found) => {
                        problems.push(found.to_string());
                        None
                    }
                }
            };
        }
        let ssl = take!();
        let sections = (
            ssl,
            (take!(), take!(), take!(), take!(), take!(), take!()),
            (take!(), take!(), take!(), take!(), take!(), take!()),
            (take!(), take!(), take!(), take!(), take!(), take!()),
            (take!(), take!(), take!(), take!()),
        );
        let (
            Some(ssl),
            (Some(telemetry), Some(place), Some(compute), Some(api), Some(quota), Some(console)),
            (Some(vnc), Some(serial), Some(consoleauth), Some(policy), Some(qemu), Some(fake)),
            (
                Some(scheduler),
                Some(filter_scheduler),
                Some(identity),
                Some(image),
                Some(network),
                Some(database),
            ),
            (Some(demo), Some(compliance), Some(fernet), Some(image_cache)),
        ) = sections
        else {
            bail!("{}", problems.join("\n"));
        };
        let config = Config {
            telemetry,
            place,
            compute,
            api,
            quota,
            console,
            ssl,
            vnc,
            serial,
            consoleauth,
            policy,
            qemu,
            fake,
            image_cache,
            scheduler,
            filter_scheduler,
            identity,
            compliance,
            fernet,
            image,
            network,
            database,
            demo,
            outside: Outside::default(),
            warnings: settings.warnings(),
        };
        let contradictions = contradictions::contradictions(&config);
        if !contradictions.is_empty() {
            bail!("{}", contradictions.join("\n"));
        }
        Ok(config)
    }

    /// The database URL of a service: what the operator says, else a file of our own.
    pub fn database_url(&self, state: &Path, service: &str) -> String {
        let given = match service {
            "identity" => &self.identity.connection,
            "image" => &self.image.connection,
            "network" => &self.network.connection,
            _ => &self.database.connection,
        };
        match given {
            Some(url) => url.clone(),
            None => format!(
                "sqlite:{}",
                state.join(format!("db/{service}.sqlite")).display()
            ),
        }
    }
}
