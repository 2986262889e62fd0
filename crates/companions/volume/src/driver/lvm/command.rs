//! The programs of LVM: what they are told, and what they say.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::GREW;
use crate::driver::{Capacity, DriverError, Result};

/// The longest that a program may take: it writes some metadata.
const LIMIT: Duration = Duration::from_secs(60);

/// A volume group, and how it is changed.
#[derive(Debug, Clone)]
pub struct Commands {
    pub group: String,
    /// Where the programs are; none: where all programs are.
    programs: Option<PathBuf>,
    /// The folder of the group's devices.
    devices: PathBuf,
}

/// A logical volume as `lvs` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub size: u64,
    /// Where it is not overwritten with zeros yet, if it grew and the work was cut off.
    pub grew: Option<u64>,
    /// Whether it is a volume, plain or in a thin pool. Pools are none; mirrors, caches and LVM's own snapshots have a say
    /// in each other, and stay with who made them.
    pub is_volume: bool,
    /// Whether a program or a mount of this machine has it open.
    pub is_open: bool,
}

#[derive(Deserialize)]
struct LvRow {
    lv_name: String,
    lv_size: String,
    lv_tags: String,
    lv_attr: String,
    #[serde(default)]
    data_percent: String,
}

#[derive(Deserialize)]
struct VgRow {
    vg_size: String,
    vg_free: String,
}

impl Commands {
    pub fn new(group: &str) -> Self {
        Commands {
            group: group.to_owned(),
            programs: None,
            devices: Path::new("/dev").join(group),
        }
    }

    /// The same with programs and devices of a test.
    #[cfg(test)]
    pub fn within(group: &str, folder: &Path) -> Self {
        Commands {
            group: group.to_owned(),
            programs: Some(folder.join("programs")),
            devices: folder.join("devices").join(group),
        }
    }

    /// The device of a logical volume.
    pub fn device(&self, name: &str) -> PathBuf {
        self.devices.join(name)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.group)
    }

    /// Runs a program; what it says.
    ///
    /// # Errors
    /// It fails, or says nothing for a minute.
    pub async fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let at = match &self.programs {
            Some(folder) => folder.join(program),
            None => PathBuf::from(program),
        };
        let mut command = child::tokio_command(at);
        command.args(args).kill_on_drop(true);
        let output = match tokio::time::timeout(LIMIT, command.output()).await {
            Ok(output) => output.map_err(|error| failed(program, error))?,
            Err(_) => {
                let why = format!("no answer within {} s", LIMIT.as_secs());
                return Err(failed(program, io::Error::other(why)));
            }
        };
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(self.refused(program, &String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// What a program refused, by its words.
    fn refused(&self, program: &str, words: &str) -> DriverError {
        let words = words.trim();
        if words.to_lowercase().contains("insufficient") {
            return DriverError::Full(self.devices.clone());
        }
        if words.contains("Failed to find logical volume") {
            return DriverError::NotFound(words.to_owned());
        }
        failed(program, io::Error::other(words.to_owned()))
    }

    async fn rows<T: for<'de> Deserialize<'de>>(
        &self,
        program: &str,
        kind: &str,
        columns: &str,
        of: &str,
    ) -> Result<Vec<T>> {
        let args = [
            "--reportformat",
            "json",
            "--units",
            "b",
            "--nosuffix",
            "-o",
            columns,
            of,
        ];
        let said = self.run(program, &args).await?;
        let odd = |error: serde_json::Error| failed(program, io::Error::other(error));
        let told: Value = serde_json::from_str(&said).map_err(odd)?;
        let rows = told.pointer(&format!("/report/0/{kind}")).cloned();
        serde_json::from_value(rows.unwrap_or_default()).map_err(odd)
    }

    async fn lvs(&self) -> Result<Vec<LvRow>> {
        let columns = "lv_name,lv_size,lv_tags,lv_attr,data_percent";
        self.rows("lvs", "lv", columns, &self.group).await
    }

    /// All logical volumes of the group that show themselves.
    pub async fn volumes(&self) -> Result<Vec<Listed>> {
        self.lvs().await?.into_iter().map(listed).collect()
    }

    /// The room of the group.
    pub async fn group_room(&self) -> Result<Capacity> {
        let columns = "vg_size,vg_free";
        let rows: Vec<VgRow> = self.rows("vgs", "vg", columns, &self.group).await?;
        let row = rows.into_iter().next();
        let row =
            row.ok_or_else(|| DriverError::NotFound(format!("the volume group {}", self.group)))?;
        Ok(Capacity {
            total: number("vgs", &row.vg_size)?,
            free: number("vgs", &row.vg_free)?,
        })
    }

    /// The room of a thin pool, as far as blocks are written.
    pub async fn pool_room(&self, pool: &str) -> Result<Capacity> {
        let rows = self.lvs().await?;
        let row = rows.iter().find(|row| row.lv_name == pool);
        let row = row.ok_or_else(|| DriverError::NotFound(format!("the thin pool {pool}")))?;
        let total = number("lvs", &row.lv_size)?;
        Ok(Capacity {
            total,
            free: total - used(total, &row.data_percent),
        })
    }

    /// The logical volume is gone.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match self.run("lvremove", &["-f", "-y", &path]).await {
            Err(DriverError::NotFound(_)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// It gets another name, which nothing has.
    pub async fn rename(&self, from: &str, to: &str) -> Result<()> {
        let args = [self.group.as_str(), from, to];
        self.run("lvrename", &args).await.map(drop)
    }

    /// It has that many bytes, or the few more that LVM rounds to.
    pub async fn extend(&self, name: &str, size: u64) -> Result<()> {
        let (size, path) = (format!("{size}b"), self.path(name));
        self.run("lvextend", &["-L", &size, &path]).await.map(drop)
    }

    /// A tag is added (`--addtag`) or removed (`--deltag`).
    pub async fn tag(&self, name: &str, how: &str, tag: &str) -> Result<()> {
        let path = self.path(name);
        self.run("lvchange", &[how, tag, &path]).await.map(drop)
    }
}

fn listed(row: LvRow) -> Result<Listed> {
    let grew = row
        .lv_tags
        .split(',')
        .find_map(|tag| tag.strip_prefix(GREW));
    Ok(Listed {
        size: number("lvs", &row.lv_size)?,
        grew: grew.map(|bytes| number("lvs", bytes)).transpose()?,
        // lvs(8), "lv_attr": the first letter is the type, the sixth is `o` when it is open, `X` when that is unknown.
        is_volume: row.lv_attr.starts_with(['-', 'V']),
        is_open: !matches!(row.lv_attr.chars().nth(5), Some('-')),
        name: row.lv_name,
    })
}

fn number(program: &str, text: &str) -> Result<u64> {
    let read = text.trim().parse();
    read.map_err(|_| failed(program, io::Error::other(format!("'{text}' is no number"))))
}

/// Bytes that percents with two places of a whole are, as a pool says what of it is written.
fn used(total: u64, percent: &str) -> u64 {
    let (whole, places) = percent
        .trim()
        .split_once('.')
        .unwrap_or((percent.trim(), ""));
    let hundredths = format!("{whole}{places:0<2}");
    let hundredths: u128 = hundredths.parse().unwrap_or_default();
    let used = u128::from(total) * hundredths / 10_000;
    u64::try_from(used).unwrap_or(total).min(total)
}

fn failed(program: &str, source: io::Error) -> DriverError {
    DriverError::Io {
        what: format!("{program} failed"),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_say_what_may_be_taken_over() {
        for (lv_attr, is_volume, is_open) in [
            ("-wi-a-----", true, false),
            ("-wi-------", true, false),
            ("Vwi-a-tz--", true, false),
            ("-wi-ao----", true, true),
            ("Vwi-aotz--", true, true),
            ("-wi-XX----", true, true),
            ("", false, true),
            ("twi-aotz--", false, true),
            ("rwi-a-r---", false, false),
            ("owi-a-s---", false, false),
            ("swi-a-s---", false, false),
            ("Cwi-a-C---", false, false),
        ] {
            let row = LvRow {
                lv_name: "one".to_owned(),
                lv_size: "4096".to_owned(),
                lv_tags: String::new(),
                lv_attr: lv_attr.to_owned(),
                data_percent: String::new(),
            };
            let found = listed(row).expect("read");
            let said = (found.is_volume, found.is_open);
            assert_eq!(said, (is_volume, is_open), "{lv_attr}");
        }
    }

    #[test]
    fn what_is_written_of_a_pool_is_used() {
        for (percent, bytes) in [
            ("0.00", 0),
            ("12.50", 125),
            ("7.5", 75),
            ("100.00", 1000),
            ("", 0),
        ] {
            assert_eq!(used(1000, percent), bytes, "{percent}");
        }
    }
}
