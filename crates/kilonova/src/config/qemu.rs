//! `[qemu]`: the hypervisor and how guests are confined.

use std::path::PathBuf;

use hypervisor::MachineType;
use hypervisor_qemu::{Confinement, CpuModel, VirtType};
use settings::{Opt, Reader, Section};

/// `[qemu]`.
#[derive(Debug, Clone)]
pub struct QemuSection {
    pub virt_type: VirtType,
    pub binary: PathBuf,
    pub machine_type: MachineType,
    pub cpu_model: Option<CpuModel>,
    pub cgroups: bool,
    pub confinement: Confinement,
    pub uid_base: u32,
    pub uid_count: u32,
    pub program_folders: Vec<PathBuf>,
    pub memory_overhead_mb: u64,
    pub oom_score_adj: i32,
}

impl Section for QemuSection {
    const NAME: &'static str = "qemu";
    const ABOUT: &'static str = "The QEMU driver.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::choice(
                "virt_type",
                &["auto", "kvm", "qemu"],
                "auto",
                "How guests run: `kvm`, `qemu` (emulation, slow), or `auto`: KVM where the \
                 processor really has it.",
            )
            .formerly(&["libvirt/virt_type"]),
            Opt::path("binary", "qemu-system-x86_64", "The QEMU program."),
            Opt::text(
                "machine_type",
                "pc",
                "Machine of servers whose image names none.",
            ),
            Opt::text(
                "cpu_model",
                "",
                "Processor that guests see; empty: `host` with KVM, `qemu64` with emulation.",
            ),
            Opt::boolean(
                "cgroups",
                "true",
                "Limit memory, processes and processor time of every guest by control groups.",
            ),
            Opt::choice(
                "confinement",
                &["auto", "require"],
                "auto",
                "What a machine that cannot confine guests as it should does: `auto` starts them with \
                 what there is and says what is missing, `require` starts none. `kilonova doctor` \
                 lists what is missing.",
            ),
            Opt::integer(
                "uid_base",
                "70000",
                "First number of the users that guests run as. No user of the machine may have a \
                 number of the range.",
            )
            .range(1, 2_000_000_000),
            Opt::integer(
                "uid_count",
                "20000",
                "How many such numbers there are, at least one for each server of a host. 1: all \
                 guests share one user.",
            )
            .range(1, 1_000_000_000),
            Opt::list(
                "program_folders",
                "/usr,/lib,/lib64,/bin,/sbin",
                "Folders of programs and their data that the QEMU of a guest can read. Nothing \
                 secret may lie there.",
            ),
            Opt::integer(
                "memory_overhead_mb",
                "512",
                "MiB that QEMU itself may use beside the memory of its guest; one that needs more \
                 is ended by the kernel.",
            )
            .range(64, 1_000_000),
            Opt::integer(
                "oom_score_adj",
                "300",
                "How much sooner than other processes a guest is ended when the machine's memory \
                 is short.",
            )
            .range(-1000, 1000),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        QemuSection {
            virt_type: match from.text("virt_type").as_str() {
                "kvm" => VirtType::Kvm,
                "qemu" => VirtType::Qemu,
                _ => VirtType::Auto,
            },
            binary: from.path("binary"),
            machine_type: from.parsed("machine_type").unwrap_or_default(),
            cpu_model: cpu_model(from),
            cgroups: from.boolean("cgroups"),
            confinement: match from.text("confinement").as_str() {
                "require" => Confinement::Require,
                _ => Confinement::Auto,
            },
            uid_base: from.integer("uid_base"),
            uid_count: from.integer("uid_count"),
            program_folders: from
                .list("program_folders")
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            memory_overhead_mb: from.integer("memory_overhead_mb"),
            oom_score_adj: from.integer("oom_score_adj"),
        }
    }
}

/// None when the option is empty.
fn cpu_model(from: &mut Reader<'_>) -> Option<CpuModel> {
    let text = from.text("cpu_model");
    if text.is_empty() {
        return None;
    }
    let model: Result<CpuModel, _> = text.parse();
    if let Err(error) = &model {
        from.refuse("cpu_model", error.to_string());
    }
    model.ok()
}
