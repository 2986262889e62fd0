//! How the binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[allow(clippy::disallowed_methods)] // How cargo speaks to a build script.
    let of = |name| std::env::var(name).unwrap_or_default();
    // Relocations in their short form (glibc from 2.36): a start reads, and keeps in memory, a tenth of them.
    if of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
