//! What `tgtadm --op show --mode target` says.

/// A target as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    pub tid: u32,
    pub name: String,
    /// The file of unit 1; none: there is no such unit.
    pub path: Option<String>,
    /// Whether unit 1 is only read.
    pub read_only: bool,
    pub accounts: Vec<String>,
    /// Initiators that are let in, by name or address.
    pub initiators: Vec<String>,
}

impl Shown {
    /// Whether exactly this account and initiator are let in.
    pub fn lets_in(&self, user: &str, initiator: &str) -> bool {
        self.accounts == [user] && self.initiators == [initiator]
    }
}

/// Reads all of it. What is not known is left out.
pub fn read(text: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let (mut section, mut lun) = ("", "");
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        let words = line.trim();
        if depth == 0 {
            let head = words.strip_prefix("Target ");
            if let Some((tid, name)) = head.and_then(|head| head.split_once(": "))
                && let Ok(tid) = tid.parse()
            {
                all.push(Shown {
                    tid,
                    name: name.to_owned(),
                    ..Shown::default()
                });
            }
            (section, lun) = ("", "");
            continue;
        }
        let Some(last) = all.last_mut() else {
            continue;
        };
        match (depth, section) {
            (4, _) => section = words,
            (8, "Account information:") => last.accounts.push(words.to_owned()),
            (8, "ACL information:") => last.initiators.push(words.to_owned()),
            (8, "LUN information:") => lun = words,
            (12, "LUN information:") if lun == "LUN: 1" => {
                if let Some(path) = words.strip_prefix("Backing store path: ") {
                    last.path = Some(path.to_owned());
                } else if words == "Readonly: Yes" {
                    last.read_only = true;
                }
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 1.0.85 says it, shortened.
    const SAID: &str = "\
Target 1: iqn.2010-10.org.openstack:volume-x
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
        I_T nexus: 9
            Initiator: iqn.2026.host:one alias: none
            Connection: 0
                IP Address: 127.0.0.1
    LUN information:
        LUN: 0
            Type: controller
            Readonly: Yes
            Backing store path: None
        LUN: 1
            Type: disk
            Readonly: No
            Backing store path: /volumes/disk.raw
    Account information:
        user
    ACL information:
        iqn.2026.host:one
Target 12: other
    System information:
        Driver: iscsi
";

    #[test]
    fn what_is_shown_is_read() {
        let all = read(SAID);
        let one = Shown {
            tid: 1,
            name: "iqn.2010-10.org.openstack:volume-x".to_owned(),
            path: Some("/volumes/disk.raw".to_owned()),
            read_only: false,
            accounts: vec!["user".to_owned()],
            initiators: vec!["iqn.2026.host:one".to_owned()],
        };
        let other = Shown {
            tid: 12,
            name: "other".to_owned(),
            ..Shown::default()
        };
        assert_eq!(all, [one, other]);
        assert!(all[0].lets_in("user", "iqn.2026.host:one"));
        assert!(!all[0].lets_in("user", "iqn.2026.host:two"));
        assert!(!all[1].lets_in("user", "iqn.2026.host:one"));
    }

    #[test]
    fn what_is_said_in_no_order_is_nothing() {
        assert_eq!(read(""), []);
        assert_eq!(
            read("        user\nTarget x: y\n    LUN information:\n"),
            []
        );
    }
}
