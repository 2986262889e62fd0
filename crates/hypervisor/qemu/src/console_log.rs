//! The console log: QEMU appends to it, we keep it from growing for ever. When it has grown past twice the limit its
//! end is set aside and the file emptied; QEMU opened it for appending and goes on at its new end.

use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::layout::Layout;

/// What QEMU itself may say in its own log before that is emptied.
const QEMU_LOG: u64 = 1 << 20;

fn aside(layout: &Layout) -> PathBuf {
    layout.dir().join("console.log.old")
}

/// Keeps the logs of one server bounded. Bytes that a guest writes between the copy and the cut are lost: a guest
/// that writes so much in so short a time has filled the log with noise.
pub(crate) fn trim(layout: &Layout, limit: u64) -> Result<()> {
    let path = layout.console_log();
    if length(&path) > limit.saturating_mul(2) {
        let end = read_end(&path, limit)?;
        let kept = crate::durable::replace_soon(&aside(layout), &end);
        // Cut in any case: on a full disk the log itself is what takes the room.
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)?
            .set_len(0)?;
        kept?;
    }
    if length(&layout.qemu_log()) > QEMU_LOG {
        std::fs::OpenOptions::new()
            .write(true)
            .open(layout.qemu_log())?
            .set_len(0)?;
    }
    Ok(())
}

/// The last `max` bytes.
pub(crate) fn tail(layout: &Layout, max: u64) -> Result<Vec<u8>> {
    let recent = read_end(&layout.console_log(), max)?;
    let missing = max.saturating_sub(recent.len() as u64);
    if missing == 0 {
        return Ok(recent);
    }
    let mut all = read_end(&aside(layout), missing)?;
    all.extend_from_slice(&recent);
    Ok(all)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// The last bytes of a file; none when it does not exist.
pub(crate) fn read_end(path: &Path, max: u64) -> Result<Vec<u8>> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_whose_end_cannot_be_set_aside_is_cut_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        // In the way of the copy, as a full disk is.
        std::fs::create_dir_all(aside(&layout).join("full")).unwrap();
        std::fs::write(layout.console_log(), vec![b'x'; 1000]).unwrap();
        trim(&layout, 100).unwrap_err();
        assert_eq!(length(&layout.console_log()), 0);
    }

    #[test]
    fn a_log_stays_bounded_and_keeps_its_end_while_its_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        std::fs::create_dir_all(layout.dir()).unwrap();
        assert_eq!(tail(&layout, 10).unwrap(), b"");
        let mut writer = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(layout.console_log())
            .unwrap();
        for number in 0..100 {
            writeln!(writer, "line {number:04}").unwrap();
            trim(&layout, 100).unwrap();
            assert!(length(&layout.console_log()) <= 210);
        }
        let end = String::from_utf8(tail(&layout, 60).unwrap()).unwrap();
        assert!(
            end.ends_with("line 0098\nline 0099\n") && end.len() == 60,
            "{end}"
        );
    }
}
