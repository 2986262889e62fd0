//! A raw disk as a qcow2 file, front to back in one pass: tables first, then the clusters that have data. Nothing is kept
//! beside, so a disk is read once however large it is (QEMU docs/interop/qcow2, version 3, clusters of 64 KiB).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

use crate::driver::sparse;

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries of tables, of eight bytes, in a cluster.
const ENTRIES: u64 = CLUSTER / 8;
/// Reference counts, of two bytes, in a cluster.
const COUNTS: u64 = CLUSTER / 2;
/// The cluster of an entry has one reference.
const COPIED: u64 = 1 << 63;
/// Clusters read at once.
const PIECE: u64 = 16;

/// Clusters of the disk with data: the first, and the one behind the last.
type Run = (u64, u64);

/// Where everything lies. Numbers of clusters of the file, unless something else is said.
struct Layout {
    /// Bytes of the disk, in whole sectors.
    disk: u64,
    /// Entries of the first table.
    l1: u64,
    runs: Vec<Run>,
    /// Those entries of the first table that have a second table.
    used: Vec<u64>,
    counts_table: u64,
    counts: u64,
    data: u64,
}

impl Layout {
    fn of(from: &File) -> io::Result<Self> {
        let bytes = from.metadata()?.len();
        let (mut runs, mut at) = (Vec::<Run>::new(), 0);
        while let Some((begin, end)) = sparse::next_data(from, at, bytes)? {
            at = end;
            let (first, behind) = (begin / CLUSTER, end.div_ceil(CLUSTER));
            match runs.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(behind),
                _ => runs.push((first, behind)),
            }
        }
        let mut used = Vec::new();
        for (first, behind) in &runs {
            for entry in first / ENTRIES..behind.div_ceil(ENTRIES) {
                if used.last() != Some(&entry) {
                    used.push(entry);
                }
            }
        }
        let mut layout = Layout {
            disk: bytes.next_multiple_of(512),
            l1: bytes.div_ceil(CLUSTER * ENTRIES).max(1),
            data: runs.iter().map(|(first, behind)| behind - first).sum(),
            runs,
            used,
            counts_table: 1,
            counts: 1,
        };
        // What counts references is counted, too.
        loop {
            let counts = layout.clusters().div_ceil(COUNTS);
            let table = counts.div_ceil(ENTRIES);
            if (counts, table) == (layout.counts, layout.counts_table) {
                return Ok(layout);
            }
            (layout.counts, layout.counts_table) = (counts, table);
        }
    }

    fn l1_at(&self) -> u64 {
        1 + self.counts_table + self.counts
    }

    fn l2_at(&self) -> u64 {
        self.l1_at() + self.l1.div_ceil(ENTRIES)
    }

    fn data_at(&self) -> u64 {
        self.l2_at() + self.used.len() as u64
    }

    /// All of the file.
    fn clusters(&self) -> u64 {
        self.data_at() + self.data
    }

    fn header(&self) -> io::Result<Vec<u8>> {
        let narrow = |number: u64| u32::try_from(number).map_err(io::Error::other);
        let mut head = b"QFI\xfb".to_vec();
        head.extend(3_u32.to_be_bytes());
        // No backing file.
        head.extend([0; 12]);
        head.extend(CLUSTER_BITS.to_be_bytes());
        head.extend(self.disk.to_be_bytes());
        // Not encrypted.
        head.extend([0; 4]);
        head.extend(narrow(self.l1)?.to_be_bytes());
        head.extend((self.l1_at() * CLUSTER).to_be_bytes());
        head.extend(CLUSTER.to_be_bytes());
        head.extend(narrow(self.counts_table)?.to_be_bytes());
        // No snapshots and no features.
        head.extend([0; 4 + 8 + 24]);
        // Reference counts of 2^4 bits; bytes of this header.
        head.extend(4_u32.to_be_bytes());
        head.extend(104_u32.to_be_bytes());
        Ok(head)
    }
}

/// What takes the file, piece by piece.
type Out<'o> = &'o mut dyn FnMut(Bytes) -> io::Result<()>;

/// A table of `entries`, filled up to whole clusters, a cluster at a time.
fn table(out: Out<'_>, entries: impl Iterator<Item = u64>) -> io::Result<()> {
    let mut piece = Vec::new();
    for entry in entries {
        piece.extend(entry.to_be_bytes());
        if piece.len() as u64 == CLUSTER {
            out(std::mem::take(&mut piece).into())?;
        }
    }
    padded(out, piece)
}

fn padded(out: Out<'_>, mut piece: Vec<u8>) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    piece.resize(piece.len().next_multiple_of(1 << CLUSTER_BITS), 0);
    out(piece.into())
}

/// Gives the file to `out`.
fn pack(from: &File, out: Out<'_>) -> io::Result<()> {
    let layout = Layout::of(from)?;
    padded(&mut *out, layout.header()?)?;
    let counts_at = 1 + layout.counts_table;
    table(
        &mut *out,
        (0..layout.counts).map(|one| (counts_at + one) * CLUSTER),
    )?;
    // Four counts of one in eight bytes; the last ones may be fewer.
    let counts = (0..layout.clusters().div_ceil(4)).map(|four| {
        let left = (layout.clusters() - four * 4).min(4);
        (0..left).fold(0, |counts, one| counts | 1 << (48 - 16 * one))
    });
    table(&mut *out, counts)?;
    let mut used = layout.used.iter().zip(layout.l2_at()..).peekable();
    let l1 = (0..layout.l1).map(|entry| match used.next_if(|(used, _)| **used == entry) {
        Some((_, at)) => (at * CLUSTER) | COPIED,
        None => 0,
    });
    table(&mut *out, l1)?;
    let mut places = Places::of(&layout);
    let l2 = layout
        .used
        .iter()
        .flat_map(|used| used * ENTRIES..(used + 1) * ENTRIES);
    table(&mut *out, l2.map(|cluster| places.of_cluster(cluster)))?;
    for (first, behind) in &layout.runs {
        let mut at = *first;
        while at < *behind {
            let next = (at + PIECE).min(*behind);
            let mut piece =
                vec![0; usize::try_from((next - at) * CLUSTER).map_err(io::Error::other)?];
            read_full(from, &mut piece, at * CLUSTER)?;
            out(piece.into())?;
            at = next;
        }
    }
    Ok(())
}

/// Where the clusters of the disk lie in the file, asked in their order.
struct Places<'l> {
    runs: std::iter::Peekable<std::slice::Iter<'l, Run>>,
    next: u64,
}

impl<'l> Places<'l> {
    fn of(layout: &'l Layout) -> Self {
        Places {
            runs: layout.runs.iter().peekable(),
            next: layout.data_at(),
        }
    }

    /// The entry of a cluster: 0 for one without data.
    fn of_cluster(&mut self, cluster: u64) -> u64 {
        while self
            .runs
            .next_if(|(_, behind)| *behind <= cluster)
            .is_some()
        {}
        match self.runs.peek() {
            Some((first, _)) if *first <= cluster => {
                self.next += 1;
                ((self.next - 1) * CLUSTER) | COPIED
            }
            _ => 0,
        }
    }
}

/// Fills `piece`; behind the end of the file are zeros.
fn read_full(from: &File, piece: &mut [u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < piece.len() {
        match from.read_at(&mut piece[done..], at + done as u64)? {
            0 => return Ok(()),
            more => done += more,
        }
    }
    Ok(())
}

/// The file as a stream, read by a thread of its own for as long as somebody listens. The disk must not change meanwhile.
pub fn stream(from: File) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (send, receive) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let ended = pack(&from, &mut |piece| {
            send.blocking_send(Ok(piece)).map_err(gone)
        });
        if let Err(error) = ended {
            drop(send.blocking_send(Err(error)));
        }
    });
    futures::stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|piece| (piece, receive))
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // QEMU's own tool is the judge
mod tests {
    use std::io::Write;
    use std::process::Command;

    use super::*;

    /// A disk of so many bytes with these bytes at these places.
    fn disk(bytes: u64, data: &[(u64, &[u8])]) -> tempfile::NamedTempFile {
        let disk = tempfile::NamedTempFile::new().expect("a file");
        disk.as_file().set_len(bytes).expect("grown");
        for (at, data) in data {
            disk.as_file().write_all_at(data, *at).expect("written");
        }
        disk
    }

    fn packed(disk: &File) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        pack(disk, &mut |piece| file.as_file_mut().write_all(&piece)).expect("packed");
        file
    }

    fn disks() -> Vec<tempfile::NamedTempFile> {
        let block = vec![7; 200_000];
        let wide = 700 << 20;
        vec![
            disk(1 << 20, &[]),
            disk(1 << 20, &[(0, b"begin"), ((1 << 20) - 3, b"end")]),
            disk(
                3 << 30,
                &[
                    (5, &block),
                    (513 << 20, &block),
                    ((3 << 30) - 200_000, &block),
                ],
            ),
            // An end within a cluster, and data over the border of two second tables.
            disk(
                (1 << 29) + 70_000,
                &[((1 << 29) - 4, b"eight by"), ((1 << 29) + 69_998, b"zz")],
            ),
            disk(wide, &[]),
        ]
    }

    #[test]
    fn what_is_packed_is_unpacked_as_it_was() {
        for disk in disks() {
            let file = packed(disk.as_file());
            let out = tempfile::tempfile().expect("a file");
            super::super::qcow2::unpack(file.as_file(), &out, 0).expect("unpacked");
            let bytes = disk.as_file().metadata().expect("size").len();
            assert_eq!(
                out.metadata().expect("size").len(),
                bytes.next_multiple_of(512)
            );
            let mut at = 0;
            while let Some((begin, end)) =
                sparse::next_data(disk.as_file(), at, bytes).expect("map")
            {
                let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                for place in (begin..end).step_by(1 << 16) {
                    one.fill(0);
                    other.fill(0);
                    read_full(disk.as_file(), &mut one, place).expect("read");
                    read_full(&out, &mut other, place).expect("read");
                    assert!(one == other, "at {place}");
                }
                at = end;
            }
        }
    }

    /// QEMU's own tool finds nothing wrong and the same disk.
    #[test]
    fn qemu_reads_the_same() {
        let is_there = Command::new("qemu-img").arg("--version").output().is_ok();
        if !is_there {
            skips::skip("qemu-img (package qemu-utils) is not installed");
            return;
        }
        for disk in disks() {
            let file = packed(disk.as_file());
            for args in [
                vec!["check", "-f", "qcow2"],
                vec!["compare", "-f", "qcow2", "-F", "raw"],
            ] {
                let mut run = Command::new("qemu-img");
                run.args(&args).arg(file.path());
                if args[0] == "compare" {
                    run.arg(disk.path());
                }
                let output = run.output().expect("it runs");
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let why = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{args:?}: {said} {why}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_listens_nobody_reads() {
        use futures::StreamExt;
        let disk = disk(1 << 30, &[(0, &vec![1; 8 << 20])]);
        let file = disk.reopen().expect("opened");
        let pieces = stream(file);
        futures::pin_mut!(pieces);
        let first = pieces.next().await.expect("a piece").expect("read");
        assert_eq!(&first[..4], b"QFI\xfb");
    }
}
