//! What no server has here, as the end of a sentence that its owner reads.

pub const ACCELERATORS: &str = "there is no service of accelerators";
pub const ADDRESS_BITS: &str = "the width of a guest's addresses is its host's choice";
pub const BUS: &str = "disks sit on the buses virtio, scsi, ide or sata";
pub const CARD_LIMITS: &str = "the traffic of network cards is not limited";
pub const DISK_ENCRYPTION: &str = "disks of servers are not encrypted";
pub const EMULATION: &str = "guests have the architecture of their host";
pub const GROUPS: &str = "hosts have no nested resource providers";
pub const IOMMU: &str = "guests have no IOMMU";
pub const LOCKED_MEMORY: &str = "the memory of guests is not locked";
pub const MEMORY_ENCRYPTION: &str = "the memory of guests is not encrypted";
pub const NUMA: &str = "guests have no NUMA topology";
pub const PAGES: &str = "guests have pages of the usual size";
pub const PCI: &str = "devices of hosts are not handed to guests";
pub const PINNING: &str = "processors of guests are not pinned";
pub const PMEM: &str = "hosts have no persistent memory";
pub const REALTIME: &str = "guests do not run in real time";
pub const SCSI: &str = "the SCSI controller of guests is virtio-scsi";
pub const SECURE_BOOT: &str = "there is no secure boot";
pub const SIGNATURES: &str = "signatures of images are not verified";
pub const SOUND: &str = "guests have no sound device";
pub const STATELESS_FIRMWARE: &str = "UEFI firmware keeps its variables";
pub const TPM: &str = "there is no virtual TPM";
pub const USB_REDIRECTION: &str = "USB devices of users are not redirected to guests";

/// Limits in the units of VMware's hosts.
pub const VMWARE_LIMITS: &str = "it is a promise of VMware's hosts, and there are none";

// Why hints may be ignored.
pub const QUEUES: &str = "network cards have one queue: a guest is slower with it, not different";
pub const VMWARE: &str = "only VMware's hosts read it";
pub const XEN: &str = "only Xen's hosts read it";
