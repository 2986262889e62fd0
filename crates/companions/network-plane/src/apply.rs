//! Makes the host look as wanted: one pass over everything, in an order in which nothing is ever open too wide.
//!
//! Remove what is not wanted - make what is missing (down, unplugged) - load the firewalls - plug in, address, bring
//! up, route - dnsmasq - metadata listeners. The same pass serves the first start, a change, and the start after a
//! crash; with nothing to do it only reads.

pub mod devices;
pub mod firewalls;
pub mod limits;
pub mod sweep;
pub mod uplinks;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::adverts::{self, Adverts};
use crate::daemon::Daemons;
use crate::firewall::host::GatewayService;
use crate::host::Host;
use crate::kernel::netns;
use crate::label::Label;
use crate::layout::{self, Key, Layout};
use crate::memory::{self, Memory};
use crate::metadata::Listeners;
use crate::owners::Owners;
use crate::report::{Object, Report};
use crate::space::{self, Opened, Snapshot};
use crate::wanted::Wanted;
use crate::{PlaneError, check};

/// Everything that one plane holds. Used by one apply at a time.
pub struct Engine {
    pub cloud_id: String,
    pub state_dir: PathBuf,
    /// The host's own namespace.
    pub host: File,
    /// What the host uses of the address space.
    pub view: Host,
    pub verdicts: uplinks::Verdicts,
    /// What guests may reach of the host by a gateway address.
    pub gateway_services: BTreeSet<GatewayService>,
    /// Tracked connections of one port, if an operator set a limit.
    pub connections: Option<u32>,
    pub owners: Owners,
    /// The label of everything that this cloud makes.
    pub label: Label,
    pub spaces: BTreeMap<Key, Opened>,
    pub memory: Memory,
    /// What was applied last.
    pub layout: Layout,
    pub daemons: Daemons,
    pub listeners: Listeners,
    pub adverts: Adverts,
}

/// One pass.
pub struct Pass<'a> {
    pub engine: &'a mut Engine,
    pub wanted: &'a Wanted,
    pub layout: &'a Layout,
    pub report: Report,
    /// What is there; kept true as the pass changes things.
    pub now: BTreeMap<Key, Snapshot>,
}

/// Applies. See [`crate::Plane::apply`].
pub fn run(engine: &mut Engine, wanted: &Wanted) -> Result<Report, PlaneError> {
    fs::create_dir_all(&engine.state_dir)
        .and_then(|()| fs::set_permissions(&engine.state_dir, fs::Permissions::from_mode(0o755)))
        .map_err(|e| PlaneError::file(&engine.state_dir, e))?;
    let (mut wanted, problems) = check::admit(wanted);
    let mut report = Report::default();
    for (object, error) in problems {
        report.fail(object, &error);
    }
    uplinks::admit(engine, &mut wanted, &mut report)?;
    let remembered = engine.memory.clone();
    engine.memory.numbers.assign(&wanted);
    uplinks::name(engine, &wanted)?;
    let layout = layout::layout(&engine.cloud_id, &wanted, &engine.memory.uplinks);
    let mut pass = Pass {
        engine,
        wanted: &wanted,
        layout: &layout,
        report,
        now: BTreeMap::new(),
    };
    sweep::unwanted(&mut pass)?;
    open_spaces(&mut pass)?;
    devices::remove(&mut pass);
    devices::create(&mut pass);
    let guarded = firewalls::load(&mut pass);
    devices::adjust(&mut pass, guarded.host);
    pass.daemons();
    pass.listeners();
    pass.adverts();
    if guarded.switch {
        pass.ready_ports();
    }
    let report = pass.report;
    if engine.memory != remembered {
        memory::save(&engine.state_dir, &engine.memory)?;
    }
    engine.layout = layout;
    Ok(report)
}

/// Opens every namespace of the layout and looks around in it. Without the switch or the host nothing can be done;
/// another one that fails fails its owner only.
fn open_spaces(pass: &mut Pass<'_>) -> Result<(), PlaneError> {
    for (key, wanted) in pass.layout {
        let vital = matches!(key, Key::Switch | Key::Host);
        match open_space(pass.engine, key) {
            Ok((snapshot, made)) => {
                pass.report.changes += usize::from(made);
                pass.now.insert(key.clone(), snapshot);
            }
            Err(error) if vital => return Err(error),
            Err(error) => pass.report.fail(wanted.owner.clone(), &error),
        }
    }
    Ok(())
}

fn open_space(engine: &mut Engine, key: &Key) -> Result<(Snapshot, bool), PlaneError> {
    let mut made = false;
    match space::name(&engine.cloud_id, key) {
        None => {
            if !engine.spaces.contains_key(key) {
                let file = engine
                    .host
                    .try_clone()
                    .map_err(|e| PlaneError::file("/proc/self/ns/net", e))?;
                engine.spaces.insert(key.clone(), Opened::new(file)?);
            }
        }
        Some(name) => {
            // Somebody may have removed or replaced the namespace under our feet.
            let there = netns::open(&name)?
                .map(|file| netns::inode(&file))
                .transpose()?;
            if there.is_none() || engine.spaces.get(key).map(|s| s.inode) != there {
                let (opened, fresh) = space::open_or_create(&name, key, &engine.label)?;
                made = fresh;
                if fresh {
                    // The kernel uses the numbers of dead namespaces again.
                    engine.memory.firewalls.remove(&name);
                }
                engine.spaces.insert(key.clone(), opened);
            }
        }
    }
    let opened = engine.spaces.get_mut(key).expect("opened above");
    Ok((opened.snapshot()?, made))
}

impl Pass<'_> {
    /// Runs one change for an object: counts it, or notes its failure.
    pub fn attempt(
        &mut self,
        owner: &Object,
        change: impl FnOnce(&mut Engine) -> Result<(), PlaneError>,
    ) -> bool {
        match change(self.engine) {
            Ok(()) => {
                self.report.changes += 1;
                true
            }
            Err(error) => {
                tracing::warn!(object = %owner, error = %error, "could not change the network");
                self.report.fail(owner.clone(), &error);
                false
            }
        }
    }

    fn daemons(&mut self) {
        let engine = &mut *self.engine;
        for network in &self.wanted.networks {
            let key = Key::Dhcp(crate::names::dhcp_namespace(&engine.cloud_id, &network.id));
            let Some(opened) = engine
                .spaces
                .get(&key)
                .filter(|_| self.now.contains_key(&key))
            else {
                continue;
            };
            match engine.daemons.ensure(network, &opened.file, opened.inode) {
                Ok(changed) => self.report.changes += usize::from(changed),
                Err(error) => self
                    .report
                    .fail(Object::Network(network.id.clone()), &error),
            }
        }
    }

    fn listeners(&mut self) {
        let engine = &mut *self.engine;
        for network in self.wanted.networks.iter().filter(|n| n.metadata) {
            let key = Key::Dhcp(crate::names::dhcp_namespace(&engine.cloud_id, &network.id));
            let Some(opened) = engine
                .spaces
                .get(&key)
                .filter(|_| self.now.contains_key(&key))
            else {
                continue;
            };
            match engine
                .listeners
                .ensure(&network.id, &opened.file, opened.inode)
            {
                Ok(changed) => self.report.changes += usize::from(changed),
                Err(error) => self
                    .report
                    .fail(Object::Network(network.id.clone()), &error),
            }
        }
    }

    fn adverts(&mut self) {
        let mut kept = BTreeSet::new();
        for router in &self.wanted.routers {
            let name = crate::names::router_namespace(&self.engine.cloud_id, &router.id);
            let key = Key::Router(name.clone());
            for (device, advert) in adverts::adverts(router, self.wanted) {
                let link = self.now.get(&key).and_then(|s| s.links.get(&device));
                let (Some(link), Some(opened)) = (link, self.engine.spaces.get(&key)) else {
                    continue;
                };
                let place = (opened.inode, link.index);
                match self
                    .engine
                    .adverts
                    .ensure((&name, &device), &advert, &opened.file, place)
                {
                    Ok(changed) => self.report.changes += usize::from(changed),
                    Err(error) => self.report.fail(Object::Router(router.id.clone()), &error),
                }
                kept.insert((name.clone(), device));
            }
        }
        let is_kept =
            |name: &str, device: &str| kept.contains(&(name.to_owned(), device.to_owned()));
        self.engine.adverts.retain(is_kept);
    }

    /// Ports whose tap is as wanted. Called only when the firewall is.
    fn ready_ports(&mut self) {
        let failed: Vec<Object> = self
            .report
            .failures
            .iter()
            .map(|f| f.object.clone())
            .collect();
        let plugged = |tap: &str| {
            self.now
                .get(&Key::Switch)
                .is_some_and(|s| s.links.contains_key(tap))
        };
        let ready = self
            .wanted
            .ports
            .iter()
            .filter(|p| plugged(&p.tap) && !failed.contains(&Object::Port(p.id.clone())));
        self.report.ready_ports = ready.map(|p| p.id.clone()).collect();
    }
}
