//! The parent: has a layer read by a child, feeds it, hears it, and ends it whatever happens.
//!
//! All of it in the caller's thread, which waits for three pipes at once: neither side can wait for the other for ever, and
//! nothing of it goes on behind the caller's back. A reader that panics takes the child with it.

mod feed;
mod hearing;
mod process;

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use scan::facts::LayerFacts;
use scan::limits::Limits;

use feed::Feed;
use hearing::{Answer, Hearing};
use process::Process;

use crate::bounds::Bounds;
use crate::confinement::{Confinement, Demand};
use crate::failure::Failure;

/// This program, also after another one was put in its place.
const SELF: &str = "/proc/self/exe";
/// How long it waits at most before it asks whether it is to go on.
const LOOK: Duration = Duration::from_millis(250);
/// How much longer than its time of a processor a child may take: it comes last where the machine is busy.
const PATIENCE: u32 = 6;
/// How long a child may take until it has given up its rights, and until it has read nothing.
const START: Duration = Duration::from_secs(60);

/// What was read of a layer.
#[derive(Debug)]
pub struct Analysed {
    /// The facts.
    pub facts: LayerFacts,
    /// How the child was confined that read it.
    pub confinement: Confinement,
}

/// Has layers read by children.
#[derive(Debug, Clone)]
pub struct Analyst {
    program: PathBuf,
    /// What stands in front of a child's arguments.
    arguments: Vec<OsString>,
    limits: Limits,
    memory_bytes: Option<u64>,
    demand: Demand,
}

impl Analyst {
    /// One whose children are this program, which calls [`crate::child_main`] for [`crate::COMMAND`].
    pub fn new(limits: Limits, demand: Demand) -> Self {
        Self { program: SELF.into(), arguments: vec![crate::COMMAND.into()], limits, memory_bytes: None, demand }
    }

    /// One whose children are another program.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.program = program.into();
        self.arguments = arguments.iter().map(Into::into).collect();
        self
    }

    /// Gives children another address space than [`Bounds::of`] says.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// How a child is confined on this node: one is started, and has nothing to read.
    pub fn probe(&self) -> Result<Confinement, Failure> {
        self.analyse(|| Ok(io::empty()), START, || true).map(|analysed| analysed.confinement)
    }

    /// Has a layer read, as it is stored: packed with gzip or zstd, or not at all.
    ///
    /// It is opened when a child is ready, and once more if the child wants to read it a second time. The time is what the
    /// child may take of a processor, to the second; it has six times as long to get that, and what the reader takes for itself
    /// does not count. The caller is asked four times a second, and after each read, whether it is to go on.
    pub fn analyse<R: Read>(
        &self,
        open: impl FnMut() -> io::Result<R>,
        time: Duration,
        goes_on: impl Fn() -> bool,
    ) -> Result<Analysed, Failure> {
        let bounds = Bounds::of(&self.limits, time);
        let bounds = Bounds { memory_bytes: self.memory_bytes.unwrap_or(bounds.memory_bytes), ..bounds };
        let mut process = Process::start(&self.program, &self.arguments, bounds).map_err(Failure::Start)?;
        let mut feed = Feed::new(open, &self.limits);
        let mut hearing = Hearing::new(self.limits);
        let (mut began, patience) = (Instant::now(), time.saturating_mul(PATIENCE));
        let mut confinement = None;
        loop {
            if !goes_on() {
                return Err(Failure::Cancelled);
            }
            let spent = began.elapsed().saturating_sub(feed.reading());
            let left = if confinement.is_some() { patience } else { START }.saturating_sub(spent);
            if left.is_zero() {
                return Err(match confinement {
                    None => Failure::Start(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")),
                    Some(_) => Failure::Time(patience),
                });
            }
            let ready = wait(&process, confinement.is_some() && feed.has_more(), left.min(LOOK));
            let ready = ready.map_err(Failure::Start)?;
            if ready.has_complaint {
                process.hear_complaint()?;
            }
            if ready.has_answer {
                let heard = hearing.hear(process.output()).map_err(|failure| match confinement {
                    // It had no byte of the layer.
                    None => Failure::Start(io::Error::other(failure)),
                    Some(_) => failure,
                });
                match heard? {
                    None => {}
                    Some(Answer::Confined(achieved)) => {
                        if !achieved.meets(self.demand) {
                            return Err(Failure::Unconfined(achieved));
                        }
                        confinement = Some(achieved);
                        began = Instant::now();
                    }
                    Some(Answer::Again) => feed.begin_again(),
                    Some(Answer::Facts(facts)) => {
                        // None is heard before it has said how it is confined.
                        let confinement = confinement.unwrap_or_default();
                        return Ok(Analysed { facts, confinement });
                    }
                    Some(Answer::End) => return Err(process.end(bounds, confinement.is_some(), time)),
                }
            }
            if ready.has_room {
                match process.input() {
                    Some(input) => {
                        if !feed.give(input)? {
                            process.close_input();
                        }
                    }
                    None => feed.stop(),
                }
            }
        }
    }
}

/// Which of a child's pipes something can be done with.
#[derive(Clone, Copy)]
struct Ready {
    has_room: bool,
    has_answer: bool,
    has_complaint: bool,
}

/// Waits until something can be done, but no longer than a time.
fn wait(process: &Process, has_more: bool, most: Duration) -> io::Result<Ready> {
    let answers = process.output_pipe();
    let complaints = process.complaint_pipe();
    let input = process.input_pipe().filter(|_| has_more);
    let mut pipes = vec![PollFd::new(&answers, PollFlags::IN)];
    let complaint = complaints.as_ref().map(|pipe| place(&mut pipes, PollFd::new(pipe, PollFlags::IN)));
    let room = input.as_ref().map(|pipe| place(&mut pipes, PollFd::new(pipe, PollFlags::OUT)));
    let most = Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() };
    match poll(&mut pipes, Some(&most)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    // An error or an end of a pipe shows when it is used.
    let is_ready = |at: Option<usize>| at.and_then(|at| pipes.get(at)).is_some_and(|pipe| !pipe.revents().is_empty());
    Ok(Ready { has_room: is_ready(room), has_answer: is_ready(Some(0)), has_complaint: is_ready(complaint) })
}

/// Puts one behind the others, and says where it is.
fn place<'a>(pipes: &mut Vec<PollFd<'a>>, pipe: PollFd<'a>) -> usize {
    pipes.push(pipe);
    pipes.len().saturating_sub(1)
}
