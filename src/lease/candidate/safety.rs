//! Two candidates, one server and a network that delays and loses what it likes: whatever happens
//! in whatever order, never do both hold the lease.

use proptest::prelude::*;

use super::*;
use crate::shard::ShardCount;

const DURATION: Duration = Duration::from_secs(15);

/// Something that happens. Numbers choose one of what there is.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// The process looks and writes, without any trouble.
    Round(usize),
    /// The process does what it would do next.
    Act(usize),
    /// The server takes a request.
    Arrive(usize),
    /// An answer reaches its process, if that still waits for it.
    Answer(usize),
    /// The process waits no longer; what it sent can still arrive.
    TimeOut(usize),
    /// The process finds that its term is over.
    Forfeit(usize),
    /// The process restarts.
    Restart(usize),
    /// The process stops its work and gives the lease up.
    Vacate(usize),
    /// Real time passes, in milliseconds.
    Pass(u64),
}

#[derive(Clone, Debug)]
enum Request {
    Get,
    Write(Proposal),
    Vacate(Lease),
}

#[derive(Debug)]
enum Answer {
    Found(Option<Lease>),
    Kept(Lease),
    Conflict,
}

#[derive(Debug)]
struct Message {
    process: usize,
    id: usize,
    request: Request,
    /// None as long as the server has not taken the request.
    answer: Option<Answer>,
}

#[derive(Debug, PartialEq)]
enum Phase {
    Idle,
    Looked,
    Waiting { id: usize, sent: Instant },
}

#[derive(Debug)]
struct Process {
    candidate: Candidate,
    phase: Phase,
    /// What its clock showed at the beginning.
    offset: Instant,
    /// How many thousandths of a second its clock counts in a second.
    rate: u64,
}

#[derive(Debug)]
struct World {
    milliseconds: u64,
    kept: Option<Lease>,
    version: u64,
    sent: usize,
    names: usize,
    wire: Vec<Message>,
    processes: Vec<Process>,
    terms: usize,
}

impl World {
    fn new(clocks: [(u64, u64); 2]) -> Self {
        let epoch = Instant::now();
        let mut world = Self {
            milliseconds: 0,
            kept: None,
            version: 0,
            sent: 0,
            names: 0,
            wire: Vec::new(),
            processes: Vec::new(),
            terms: 0,
        };
        for (offset, rate) in clocks {
            let candidate = world.candidate();
            world.processes.push(Process {
                candidate,
                phase: Phase::Idle,
                offset: epoch + Duration::from_secs(offset),
                rate,
            });
        }
        world
    }

    fn candidate(&mut self) -> Candidate {
        self.names += 1;
        Candidate::new(&LeaseSettings {
            namespace: "default".to_owned(),
            name: "industrydata-operator".to_owned(),
            shards: ShardCount::ONE,
            identity: format!("candidate-{}", self.names),
            duration: DURATION,
        })
    }

    fn now(&self, process: usize) -> Instant {
        let Process { offset, rate, .. } = &self.processes[process];
        *offset + Duration::from_micros(self.milliseconds * rate)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Round(process) => self.round(process),
            Happening::Act(process) => self.act(process),
            Happening::Arrive(choice) => self.arrive(choice),
            Happening::Answer(choice) => self.answer(choice),
            Happening::TimeOut(process) => self.processes[process].phase = Phase::Idle,
            Happening::Forfeit(process) => self.forfeit(process),
            Happening::Restart(process) => {
                self.processes[process].candidate = self.candidate();
                self.processes[process].phase = Phase::Idle;
            }
            Happening::Vacate(process) => self.vacate(process),
            Happening::Pass(milliseconds) => self.milliseconds += milliseconds,
        }
    }

    fn round(&mut self, process: usize) {
        self.processes[process].phase = Phase::Idle;
        for _ in 0..2 {
            self.act(process);
            let is_last =
                |phase: &Phase| matches!(phase, Phase::Waiting { id, .. } if *id + 1 == self.sent);
            if is_last(&self.processes[process].phase) {
                let index = self.wire.len() - 1;
                self.take(index);
                self.deliver(index);
            }
        }
    }

    fn act(&mut self, index: usize) {
        let now = self.now(index);
        let process = &mut self.processes[index];
        match process.phase {
            Phase::Waiting { .. } => {}
            Phase::Idle if process.candidate.must_look() => self.send(index, Request::Get),
            Phase::Idle | Phase::Looked => {
                process.phase = Phase::Idle;
                if let Some(proposal) = process.candidate.proposal(now, Timestamp::UNIX_EPOCH) {
                    self.send(index, Request::Write(proposal));
                }
            }
        }
    }

    fn vacate(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if process.phase == Phase::Looked {
            process.candidate.forfeit();
            process.phase = Phase::Idle;
            if let Some(lease) = process.candidate.vacated(Timestamp::UNIX_EPOCH) {
                self.send(index, Request::Vacate(lease));
            }
        }
    }

    fn forfeit(&mut self, index: usize) {
        let now = self.now(index);
        let candidate = &mut self.processes[index].candidate;
        if candidate.held_until().is_some_and(|until| until <= now) {
            candidate.forfeit();
        }
    }

    fn send(&mut self, process: usize, request: Request) {
        let id = self.sent;
        self.sent += 1;
        self.processes[process].phase = Phase::Waiting {
            id,
            sent: self.now(process),
        };
        self.wire.push(Message {
            process,
            id,
            request,
            answer: None,
        });
    }

    fn arrive(&mut self, choice: usize) {
        if let Some(index) = self.choose(choice, |message| message.answer.is_none()) {
            self.take(index);
        }
    }

    fn answer(&mut self, choice: usize) {
        if let Some(index) = self.choose(choice, |message| message.answer.is_some()) {
            self.deliver(index);
        }
    }

    /// Where the message is, counted from the newest of these.
    fn choose(&self, choice: usize, filter: impl Fn(&Message) -> bool) -> Option<usize> {
        let messages = self.wire.iter().enumerate().rev();
        let mut messages = messages.filter(|(_, message)| filter(message));
        messages.nth(choice).map(|(index, _)| index)
    }

    fn take(&mut self, index: usize) {
        let answer = match self.wire[index].request.clone() {
            Request::Get => Answer::Found(self.kept.clone()),
            Request::Write(Proposal::Create(lease)) => self.create(lease),
            Request::Write(Proposal::Replace(lease)) | Request::Vacate(lease) => {
                self.replace(lease)
            }
        };
        self.wire[index].answer = Some(answer);
    }

    fn create(&mut self, lease: Lease) -> Answer {
        match &self.kept {
            None => self.keep(lease),
            Some(_) => Answer::Conflict,
        }
    }

    fn replace(&mut self, lease: Lease) -> Answer {
        let version = &lease.metadata.resource_version;
        match &self.kept {
            Some(kept) if kept.metadata.resource_version == *version => self.keep(lease),
            _ => Answer::Conflict,
        }
    }

    fn keep(&mut self, mut lease: Lease) -> Answer {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.kept = Some(lease.clone());
        Answer::Kept(lease)
    }

    fn deliver(&mut self, index: usize) {
        let message = self.wire.remove(index);
        let now = self.now(message.process);
        let process = &mut self.processes[message.process];
        let Phase::Waiting { id, sent } = process.phase else {
            return;
        };
        if id != message.id {
            return;
        }
        process.phase = Phase::Idle;
        match (message.request, message.answer) {
            (_, Some(Answer::Found(found))) => {
                process.candidate.saw(found, now);
                process.phase = Phase::Looked;
            }
            (Request::Write(_), Some(Answer::Kept(lease))) => {
                self.terms += usize::from(process.candidate.held_until().is_none());
                process.candidate.wrote(lease, sent, now);
            }
            _ => {}
        }
    }

    fn holders(&self) -> usize {
        let holds = |process: &usize| {
            let until = self.processes[*process].candidate.held_until();
            until.is_some_and(|until| until > self.now(*process))
        };
        (0..self.processes.len()).filter(holds).count()
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    let process = || 0..2_usize;
    let choice = || 0..3_usize;
    prop_oneof![
        6 => process().prop_map(Happening::Round),
        6 => process().prop_map(Happening::Act),
        6 => choice().prop_map(Happening::Arrive),
        6 => choice().prop_map(Happening::Answer),
        1 => process().prop_map(Happening::TimeOut),
        1 => process().prop_map(Happening::Forfeit),
        1 => process().prop_map(Happening::Restart),
        1 => process().prop_map(Happening::Vacate),
        4 => (0..3_000_u64).prop_map(Happening::Pass),
        4 => (10_000..17_000_u64).prop_map(Happening::Pass),
    ]
}

/// Up to a day apart, and at rates whose ratio is below 10 : 9.
fn clock() -> impl Strategy<Value = (u64, u64)> {
    (0..86_400_u64, 950..=1_050_u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn two_candidates_never_hold_the_lease_at_once(
        clocks in [clock(), clock()],
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::new(clocks);
        for happening in happenings {
            world.happen(happening);
            prop_assert!(world.holders() <= 1, "after {happening:?}: {world:#?}");
        }
    }
}

#[test]
fn without_trouble_the_lease_changes_hands_when_its_holder_stops() {
    let mut world = World::new([(0, 1_000), (500, 1_000)]);
    world.happen(Happening::Round(0));
    world.happen(Happening::Round(1));
    assert_eq!((world.terms, world.holders()), (1, 1));

    world.happen(Happening::Pass(14_999));
    world.happen(Happening::Round(1));
    assert_eq!((world.terms, world.holders()), (1, 0));

    world.happen(Happening::Pass(1));
    world.happen(Happening::Round(1));
    assert_eq!((world.terms, world.holders()), (2, 1));
}
