//! The settings of a process: the sections that operators write, and what the crates make of them.

mod cache;
mod compute;
mod console;
mod contradictions;
mod database;
pub mod demo;
mod events;
mod place;
mod policy;
mod qemu;
mod scheduling;
mod ssl;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use compute_model::HostName;
use settings::{Outside, SectionInfo, Settings, Sources, section};
use telemetry::TelemetrySettings;

use crate::companions::{self, Configured};

pub use compute::{ApiSection, ComputeSection, FakeSection};
pub use console::ConsoleSection;
pub use demo::DemoSection;
pub use place::{Driver, Place};
pub use qemu::QemuSection;
pub use scheduling::SchedulerSection;

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
    pub events: events::EventsSection,
    pub policy: policy::PolicySection,
    pub qemu: QemuSection,
    pub fake: FakeSection,
    pub image_cache: cache::ImageCacheSection,
    pub scheduler: SchedulerSection,
    pub filter_scheduler: scheduling::FilterSchedulerSection,
    pub database: database::DatabaseSection,
    /// The services beside compute, in the order of their rows.
    companions: Vec<Arc<dyn Configured>>,
    pub demo: DemoSection,
    /// What the environment says of proxies and mirrors.
    pub outside: Outside,
    /// What the operator should look at.
    pub warnings: Vec<String>,
}

/// All sections, for reading and for the reference.
pub fn sections() -> Vec<SectionInfo> {
    let mut sections = vec![
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
        section::<events::EventsSection>(),
        section::<policy::PolicySection>(),
        section::<QemuSection>(),
        section::<FakeSection>(),
        section::<cache::ImageCacheSection>(),
        section::<SchedulerSection>(),
        section::<scheduling::FilterSchedulerSection>(),
        section::<database::DatabaseSection>(),
        section::<DemoSection>(),
    ];
    let companions = companions::ROWS.iter().flat_map(|row| (row.sections)());
    let demo = sections.len() - 2;
    sections.splice(demo..demo, companions);
    sections
}

impl Config {
    /// The names of this process's hosts. The first simulated host has the machine's name, the others a
    /// number behind it.
    ///
    /// # Errors
    /// A name becomes too long by its number.
    pub fn host_names(&self) -> Result<Vec<HostName>> {
        let count = match self.place.compute_driver {
            Driver::Qemu => 1,
            Driver::Fake => self.fake.hosts,
        };
        let name = |number| match number {
            1 => Ok(self.place.host.clone()),
            number => format!("{}-{number}", self.place.host).parse(),
        };
        let names: Result<_, _> = (1..=count).map(name).collect();
        names.context("the names of simulated hosts")
    }

    /// Reads files, folders and the environment.
    ///
    /// # Errors
    /// Every value that does not parse and every option of Nova that asks for what is not done here, each with its
    /// file and line.
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
        );
        let mut companions = Vec::new();
        for row in companions::ROWS {
            match (row.read)(settings) {
                Ok(read) => companions.push(read),
                Err(found) => problems.push(found.to_string()),
            }
        }
        problems.extend(settings.refusals());
        let (
            Some(ssl),
            (Some(telemetry), Some(place), Some(compute), Some(api), Some(quota), Some(console)),
            (Some(vnc), Some(serial), Some(consoleauth), Some(policy), Some(qemu), Some(fake)),
            (
                Some(scheduler),
                Some(filter_scheduler),
                Some(database),
                Some(demo),
                Some(image_cache),
                Some(events),
            ),
        ) = sections
        else {
            bail!("{}", problems.join("\n"));
        };
        if !problems.is_empty() {
            bail!("{}", problems.join("\n"));
        }
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
            events,
            policy,
            qemu,
            fake,
            image_cache,
            scheduler,
            filter_scheduler,
            database,
            companions,
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

    /// What was said of a companion.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn companion(&self, name: &str) -> Result<&dyn Configured> {
        let mut all = companions::ROWS.iter().zip(&self.companions);
        let found = all.find(|(row, _)| row.name == name);
        found
            .map(|(_, companion)| companion.as_ref())
            .with_context(|| format!("there is no companion {name}"))
    }

    /// What was said of all companions.
    pub fn companions(&self) -> impl Iterator<Item = &dyn Configured> {
        self.companions.iter().map(AsRef::as_ref)
    }

    /// The database URL of a service: what the operator says, else a file of our own.
    pub fn database_url(&self, state: &Path, service: &str) -> String {
        let given = match self.companion(service) {
            Ok(companion) => companion.connection(),
            Err(_) => self.database.connection.as_deref(),
        };
        match given {
            Some(url) => url.to_owned(),
            None => format!(
                "sqlite:{}",
                state.join(format!("db/{service}.sqlite")).display()
            ),
        }
    }
}

/// False for a database that is a file and not there.
pub fn may_exist(url: &str) -> bool {
    let Some(file) = url.strip_prefix("sqlite:") else {
        return true;
    };
    let file = file.trim_start_matches("//");
    Path::new(file.split('?').next().unwrap_or_default()).exists()
}
