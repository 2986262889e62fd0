//! Making the child. Between `clone` and `execve` only system calls run, on memory made before: other threads of this
//! process may have held any lock at that moment.

use std::io::{Error, Read, Result};
use std::os::fd::AsFd;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::confined::User;
use crate::prepared::{Prepared, STEPS, Step};

/// A program that was started.
#[derive(Debug)]
pub struct Started {
    /// Its number in this process's own table.
    pub pid: u32,
    /// Names the process for certain, also when the number is used again.
    pub pidfd: OwnedFd,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    pub fn success(self) -> bool {
        self == Ended::Code(0)
    }
}

impl Started {
    /// Waits for the end and collects it. Blocking.
    ///
    /// # Errors
    /// It was collected already.
    pub fn wait(&self) -> Result<Ended> {
        loop {
            match collect(&self.pidfd, 0) {
                Ok(Some(ended)) => return Ok(ended),
                Ok(None) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Collects the end of a program whose `pidfd` is readable; None when it runs.
    ///
    /// # Errors
    /// It was collected already.
    pub fn collect(pidfd: &impl AsFd) -> Result<Option<Ended>> {
        collect(pidfd, libc::WNOHANG)
    }
}

fn collect(pidfd: &impl AsFd, flags: libc::c_int) -> Result<Option<Ended>> {
    let number = pidfd.as_fd().as_raw_fd() as libc::id_t;
    // SAFETY: all-zero bytes are a valid siginfo, and it outlives the call.
    let info = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        if libc::waitid(libc::P_PIDFD, number, &mut info, libc::WEXITED | flags) != 0 {
            return Err(Error::last_os_error());
        }
        info
    };
    // SAFETY: waitid filled the fields of a child's end, or left them zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(match (pid, info.si_code) {
        (0, _) => None,
        (_, libc::CLD_EXITED) => Some(Ended::Code(status)),
        _ => Some(Ended::Signal(status)),
    })
}

/// Starts the program with the three descriptors as its input, output and error output.
pub(crate) fn start(prepared: Prepared, standard: &[OwnedFd; 3]) -> Result<Started> {
    let (mut trouble, report) = std::io::pipe()?;
    let standard = [&standard[0], &standard[1], &standard[2]].map(|fd| fd.as_raw_fd());
    let mut pidfd: RawFd = -1;
    let flags = prepared.namespaces | libc::CLONE_PIDFD | libc::SIGCHLD;
    let pid = with_signals_blocked(|| {
        // SAFETY: without CLONE_VM the child has a copy of this memory and its own stack pointer into the copy; the
        // kernel writes the new descriptor to `pidfd`. The child calls nothing but `child`, which never returns.
        unsafe {
            let pid = libc::syscall(libc::SYS_clone, flags as libc::c_long, 0, &mut pidfd, 0, 0);
            if pid == 0 {
                child(&prepared, &standard, report.as_raw_fd());
            }
            pid
        }
    });
    if pid < 0 {
        let error = Error::last_os_error();
        return Err(Error::new(
            error.kind(),
            format!("make the process: {error}"),
        ));
    }
    drop(report);
    // SAFETY: the kernel just gave us this descriptor and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let started = Started {
        pid: u32::try_from(pid).map_err(Error::other)?,
        pidfd,
    };
    let mut said = [0_u8; 5];
    // Closed without a word: the program runs.
    if trouble.read(&mut said)? < said.len() {
        return Ok(started);
    }
    started.wait()?;
    let [step, code @ ..] = said;
    let error = Error::from_raw_os_error(i32::from_ne_bytes(code));
    let step = STEPS.iter().find(|(known, _)| *known as u8 == step);
    let what = step.map_or("start", |(_, what)| what);
    Err(Error::new(error.kind(), format!("{what}: {error}")))
}

/// A signal handler of ours must not run in the child: it would act on the pipes that both share.
fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are filled before they are read and outlive the calls.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = work();
        // Keeps the error number of `work`.
        let error = *libc::__errno_location();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        *libc::__errno_location() = error;
        result
    }
}

/// The child's life before its program. Never returns.
fn child(prepared: &Prepared, standard: &[RawFd; 3], report: RawFd) -> ! {
    let step = confine(prepared, standard).unwrap_or_else(|step| step);
    // SAFETY: plain system calls on memory of this frame; `_exit` runs no destructors.
    unsafe {
        if prepared.program.is_none() && step == Step::Program {
            libc::_exit(0);
        }
        let code = (*libc::__errno_location()).to_ne_bytes();
        let said = [step as u8, code[0], code[1], code[2], code[3]];
        libc::write(report, said.as_ptr().cast(), said.len());
        libc::_exit(127);
    }
}

/// Returns only when something failed, or when there is no program.
fn confine(prepared: &Prepared, standard: &[RawFd; 3]) -> std::result::Result<Step, Step> {
    let need = |fine: bool, step: Step| if fine { Ok(()) } else { Err(step) };
    // SAFETY: system calls on pointers into `prepared`, which lives in the child's copy of the memory.
    unsafe {
        need(libc::setsid() >= 0, Step::Session)?;
        if let Some(score) = &prepared.oom_score_adj {
            need(
                write_file(c"/proc/self/oom_score_adj", score),
                Step::OomScore,
            )?;
        }
        for group in &prepared.groups {
            need(
                libc::write(*group, c"0".as_ptr().cast(), 1) == 1,
                Step::Group,
            )?;
        }
        libc::umask(0); // modes below are meant as they are
        for operation in &prepared.root {
            need(operation.run(), Step::Root)?;
        }
        need(libc::chdir(prepared.folder.as_ptr()) == 0, Step::Folder)?;
        libc::umask(0o077);
        for (resource, value) in &prepared.limits {
            need(limit(*resource, *value), Step::Limits)?;
        }
        if let Some(user) = &prepared.user {
            need(become_user(user), Step::User)?;
        }
        need(
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
            Step::User,
        )?;
        need(descriptors(standard, &prepared.keep), Step::Descriptors)?;
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::signal(libc::SIGPIPE, libc::SIG_DFL); // Rust ignores it, and that would be inherited
        libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        if let Some(program) = &prepared.program {
            libc::execve(
                program.as_ptr(),
                prepared.argv.as_ptr(),
                prepared.envp.as_ptr(),
            );
        }
    }
    Ok(Step::Program)
}

unsafe fn write_file(path: &std::ffi::CStr, text: &std::ffi::CStr) -> bool {
    // SAFETY: both are C strings.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let length = text.count_bytes();
        let written = fd >= 0 && libc::write(fd, text.as_ptr().cast(), length) == length as isize;
        libc::close(fd);
        written
    }
}

/// Lowers a limit; one that is lower already stays.
unsafe fn limit(resource: libc::c_int, value: libc::rlim_t) -> bool {
    // SAFETY: the struct outlives both calls.
    unsafe {
        let mut known: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(resource as _, &mut known) != 0 {
            return false;
        }
        let value = value.min(known.rlim_max);
        let wanted = libc::rlimit {
            rlim_cur: value,
            rlim_max: value,
        };
        libc::setrlimit(resource as _, &wanted) == 0
    }
}

/// Highest number of a capability that any kernel may have.
const CAPABILITIES: libc::c_ulong = 63;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// Effective, permitted, inheritable: the low 32 numbers, then the high ones.
#[repr(C)]
struct CapabilitySet([u32; 6]);

/// System calls by number: the C library's functions would also ask the other threads, which the child does not have.
unsafe fn become_user(user: &User) -> bool {
    let mut kept = 0_u64;
    for number in &user.capabilities {
        kept |= 1_u64 << (*number & 63);
    }
    let (low, high) = (kept as u32, (kept >> 32) as u32);
    let header = CapabilityHeader {
        version: 0x2008_0522,
        pid: 0,
    };
    let set = CapabilitySet([low, low, low, high, high, high]);
    // SAFETY: integers, and pointers to values that outlive the calls.
    unsafe {
        for number in 0..=CAPABILITIES {
            let drop = kept >> number & 1 == 0;
            // EINVAL: the kernel does not have so many.
            if drop
                && libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) != 0
                && *libc::__errno_location() != libc::EINVAL
            {
                return false;
            }
        }
        let groups = libc::syscall(libc::SYS_setgroups, user.groups.len(), user.groups.as_ptr());
        let (uid, gid) = (user.uid, user.gid);
        if groups != 0
            || libc::prctl(
                libc::PR_SET_KEEPCAPS,
                libc::c_ulong::from(kept != 0),
                0,
                0,
                0,
            ) != 0
            || libc::syscall(libc::SYS_setresgid, gid, gid, gid) != 0
            || libc::syscall(libc::SYS_setresuid, uid, uid, uid) != 0
        {
            return false;
        }
        if libc::syscall(libc::SYS_capset, &header, &set) != 0 {
            return false;
        }
        for number in &user.capabilities {
            let (raise, number) = (
                libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
                libc::c_ulong::from(*number),
            );
            if libc::prctl(libc::PR_CAP_AMBIENT, raise, number, 0, 0) != 0 {
                return false;
            }
        }
    }
    true
}

/// Puts the three standard ones in place; of the others only the meant ones outlive the start of the program.
unsafe fn descriptors(standard: &[RawFd; 3], keep: &[RawFd]) -> bool {
    // SAFETY: integers only.
    unsafe {
        for (number, fd) in standard.iter().enumerate() {
            if libc::dup2(*fd, number as RawFd) < 0 {
                return false;
            }
        }
        let cloexec = 4_u32; // CLOSE_RANGE_CLOEXEC
        if libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, cloexec) != 0 {
            // Linux before 5.11.
            for fd in 3..65_536 {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
        keep.iter()
            .all(|fd| libc::fcntl(*fd, libc::F_SETFD, 0) == 0)
    }
}
