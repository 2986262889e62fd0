//! QEMU's command line: `crates/hypervisor/qemu`.
//!
//! The bytes become a server's description, with texts of their own in every place that takes one; the command line of
//! that is read as QEMU reads it. The driver keeps both beside the code that they check.

pub const WORDS: &[&[u8]] = &[
    b"initrd=/etc/hostname",
    b"pc,initrd=/etc/hostname",
    b"kernel=/x",
    b"dumpdtb=/tmp/x",
    b"firmware=/x",
    b",help",
    b",,",
    b"=",
    b"\n",
    b"\0",
    b"id=",
    b"-device",
    b"/cache/../etc/shadow",
];

pub fn run(input: &[u8]) {
    hypervisor_qemu::fuzz_arguments(input);
}
