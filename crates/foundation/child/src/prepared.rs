//! Everything that a child needs between its making and its program, made beforehand: there it may not allocate.

use std::ffi::CString;
use std::io::Result;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use crate::confined::{Confined, Limit, User};
use crate::root::{Operation, text};

/// The step in which a child failed; its number travels through a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    Session,
    OomScore,
    Group,
    Root,
    Limits,
    User,
    Folder,
    Descriptors,
    Program,
}

pub(crate) const STEPS: [(Step, &str); 9] = [
    (Step::Session, "begin a session"),
    (Step::OomScore, "set the score for when memory is short"),
    (Step::Group, "enter a control group"),
    (Step::Root, "make the file tree"),
    (Step::Limits, "set the limits"),
    (Step::User, "change the user"),
    (Step::Folder, "enter the folder"),
    (Step::Descriptors, "sort the descriptors"),
    (Step::Program, "run the program"),
];

/// The child's work, as plain values. Pointers lead into the texts beside them.
pub(crate) struct Prepared {
    /// None: the child ends at once when everything before has worked.
    pub program: Option<CString>,
    pub argv: Vec<*const libc::c_char>,
    pub envp: Vec<*const libc::c_char>,
    pub folder: CString,
    pub keep: Vec<RawFd>,
    pub root: Vec<Operation>,
    pub user: Option<User>,
    pub limits: Vec<(libc::c_int, libc::rlim_t)>,
    pub oom_score_adj: Option<CString>,
    pub groups: Vec<RawFd>,
    pub namespaces: libc::c_int,
    _texts: Vec<CString>,
}

impl Prepared {
    pub fn new(confined: &Confined, program: Option<&Path>) -> Result<Self> {
        let measures = &confined.measures;
        let mut texts = Vec::new();
        let mut argv = Vec::new();
        // By the name that it was given, as a shell does.
        texts.push(text(&confined.program)?);
        for arg in &confined.args {
            texts.push(text(Path::new(arg))?);
        }
        argv.extend(texts.iter().map(|text| text.as_ptr()));
        argv.push(std::ptr::null());
        let mut envp = Vec::new();
        for (name, value) in crate::ENVIRONMENT {
            let text = CString::new(format!("{name}={value}"))?;
            envp.push(text.as_ptr());
            texts.push(text);
        }
        envp.push(std::ptr::null());
        let mut namespaces = 0;
        for (wanted, flag) in [
            (measures.root.is_some(), libc::CLONE_NEWNS),
            (measures.network, libc::CLONE_NEWNET),
            (measures.processes, libc::CLONE_NEWPID),
            (measures.ipc, libc::CLONE_NEWIPC | libc::CLONE_NEWUTS),
        ] {
            if wanted {
                namespaces |= flag;
            }
        }
        // 1, not 0: a limit of 0 keeps the kernel from writing a file, but not from feeding a program that
        // `core_pattern` names; 1 keeps it from both (fs/coredump.c), and no core fits into one byte.
        let mut limits = vec![(libc::RLIMIT_CORE as libc::c_int, 1)];
        limits.extend(measures.limits.iter().map(|limit| match *limit {
            Limit::Files(count) => (libc::RLIMIT_NOFILE as libc::c_int, count),
            Limit::FileSize(bytes) => (libc::RLIMIT_FSIZE as libc::c_int, bytes),
        }));
        let root = match &measures.root {
            Some(root) => root.operations()?,
            None => Vec::new(),
        };
        let oom_score_adj = measures.oom_score_adj;
        Ok(Self {
            program: program.map(text).transpose()?,
            argv,
            envp,
            folder: text(&confined.folder)?,
            keep: confined.keep.clone(),
            root,
            user: measures.user.clone(),
            limits,
            oom_score_adj: oom_score_adj
                .map(|score| CString::new(score.to_string()))
                .transpose()?,
            groups: measures.groups.iter().map(AsRawFd::as_raw_fd).collect(),
            namespaces,
            _texts: texts,
        })
    }
}
