//! What the walk expects: a server as the lifecycle table has it, and what becomes of it.

use std::collections::BTreeSet;

use compute_model::VmState;
use compute_model::lifecycle::{self, Action, DeviceChange, Operation, Rule};

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By its owner; a soft delete is a plain `DELETE`.
    Act(Action),
    /// By its owner; an offload by an operator, who passes locks.
    Operate(Operation),
    /// The volume of this number comes or goes, or a network card.
    Volume(DeviceChange, usize),
    Card(DeviceChange),
    Lock,
    Unlock,
    MakeImage,
    /// An operator declares it in error.
    Break,
    ForceDelete,
}

/// A server as it should be when nothing is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub vm_state: VmState,
    pub locked: bool,
    /// Whether it has the larger flavor.
    pub large: bool,
    /// Numbers of its volumes.
    pub volumes: BTreeSet<usize>,
    pub cards: usize,
    /// What it was before its resize.
    before_resize: (VmState, bool),
}

/// What should become of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    Accepted(Model),
    /// Accepted, and the server goes.
    Goes,
    /// Refused with this status; nothing changes.
    Refused(u16),
}

/// The most cards of a server: the walk need not try more.
const MOST_CARDS: usize = 3;

impl Model {
    /// A new server of the smaller flavor.
    pub fn new() -> Self {
        Model {
            vm_state: VmState::Active,
            locked: false,
            large: false,
            volumes: BTreeSet::new(),
            cards: 0,
            before_resize: (VmState::Active, false),
        }
    }

    /// Every move, with so many volumes.
    pub fn moves(&self, volumes: usize) -> Vec<Move> {
        let mut moves = vec![Move::Lock, Move::Unlock, Move::MakeImage, Move::ForceDelete];
        // A guest that may be off is asked for a dump for a while: nothing to learn, and slow.
        let off = matches!(self.vm_state, VmState::Error | VmState::Resized);
        let asked = |action: &&Action| match action {
            Action::CrashDump => !off,
            // Nobody asks for the one, and the guests here have no agent for the other.
            Action::ResumeOnBoot | Action::ChangePassword => false,
            _ => true,
        };
        let actions = Action::ALL.iter().filter(asked);
        moves.extend(actions.map(|action| Move::Act(*action)));
        let asked = |one: &&Operation| **one != Operation::Reclaim;
        let operations = Operation::ALL.iter().filter(asked);
        moves.extend(operations.map(|one| Move::Operate(*one)));
        for change in [DeviceChange::AttachVolume, DeviceChange::DetachVolume] {
            moves.extend((0..volumes).map(|number| Move::Volume(change, number)));
        }
        if self.cards < MOST_CARDS {
            moves.push(Move::Card(DeviceChange::AttachInterface));
        }
        moves.push(Move::Card(DeviceChange::DetachInterface));
        // Of one that is put aside, the table says nothing when it is declared something else.
        if !matches!(self.vm_state, VmState::Shelved | VmState::ShelvedOffloaded) {
            moves.push(Move::Break);
        }
        moves
    }

    /// What should become of a move; `free`: whether nobody has the volume that it names.
    pub fn expect(&self, asked: Move, free: bool) -> Expected {
        match asked {
            Move::Lock => self.with(|after| after.locked = true),
            Move::Unlock => self.with(|after| after.locked = false),
            Move::Break => self.with(|after| after.vm_state = VmState::Error),
            Move::MakeImage => match IMAGES.contains(&self.vm_state) {
                true => self.with(|_| ()),
                false => CONFLICT,
            },
            Move::Operate(Operation::ShelveOffload) => {
                self.by(&lifecycle::operation(Operation::ShelveOffload))
            }
            // Asked before state and lock, as with Nova: a server that does not have it cannot lose it.
            Move::Volume(DeviceChange::DetachVolume, number) if !self.volumes.contains(&number) => {
                Expected::Refused(404)
            }
            _ if self.locked => CONFLICT,
            Move::ForceDelete => Expected::Goes,
            Move::Operate(operation) => self.by(&lifecycle::operation(operation)),
            Move::Act(action) => self.act(action),
            Move::Volume(change, number) => self.volume(change, number, free),
            Move::Card(change) => self.card(change),
        }
    }

    fn with(&self, change: impl FnOnce(&mut Model)) -> Expected {
        let mut after = self.clone();
        change(&mut after);
        Expected::Accepted(after)
    }

    /// What a rule of the table says.
    fn by(&self, rule: &Rule) -> Expected {
        match rule.from.contains(&self.vm_state) {
            true => self.with(|after| after.vm_state = rule.settled(self.vm_state)),
            false => CONFLICT,
        }
    }

    fn act(&self, action: Action) -> Expected {
        let rule = lifecycle::rule(action);
        let Expected::Accepted(mut after) = self.by(&rule) else {
            return match action {
                // What cannot be kept goes.
                Action::SoftDelete => Expected::Goes,
                _ => CONFLICT,
            };
        };
        match action {
            Action::Resize => {
                after.before_resize = (self.vm_state, self.large);
                after.large = !self.large;
            }
            Action::ConfirmResize => after.vm_state = self.before_resize.0,
            Action::RevertResize => (after.vm_state, after.large) = self.before_resize,
            _ => {}
        }
        Expected::Accepted(after)
    }

    fn volume(&self, change: DeviceChange, number: usize, free: bool) -> Expected {
        if !change.from().contains(&self.vm_state) {
            return CONFLICT;
        }
        match (change, self.volumes.contains(&number)) {
            (DeviceChange::AttachVolume, false) if free => self.with(|after| {
                after.volumes.insert(number);
            }),
            (DeviceChange::AttachVolume, _) => Expected::Refused(400),
            _ => self.with(|after| {
                after.volumes.remove(&number);
            }),
        }
    }

    fn card(&self, change: DeviceChange) -> Expected {
        if !change.from().contains(&self.vm_state) {
            return CONFLICT;
        }
        match (change, self.cards) {
            (DeviceChange::AttachInterface, _) => self.with(|after| after.cards += 1),
            (_, 0) => Expected::Refused(404),
            (_, _) => self.with(|after| after.cards -= 1),
        }
    }
}

const CONFLICT: Expected = Expected::Refused(409);

/// Where an image can be made of a server. Source: the decorators of Nova's `snapshot`.
const IMAGES: &[VmState] = &[
    VmState::Active,
    VmState::Stopped,
    VmState::Paused,
    VmState::Suspended,
];
