//! What the tests start in place of the program: children that do their worst, and parents that are measured.
//!
//! * `planted analyze-layer …`: a child as it should be
//! * `planted misbehave HOW …`: a child that does as no child does, with and without its rights
//! * `planted attempt PARTS WHAT ARGUMENT`: gives up rights, then attempts something, and says what came of it
//! * `planted parent CASE`: has a hostile layer read by a child, and says what that took of itself
//! * `planted measure`: how long a child takes to start, and to read beside reading in the same process

mod attempts;
mod misbehave;
mod parents;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [scan_worker::COMMAND, ..] => return scan_worker::child_main(),
        ["misbehave", how, memory, cpu] => misbehave::run(how, &[memory.to_owned(), cpu.to_owned()]),
        ["attempt", parts, what, argument] => attempts::run(parts, what, argument),
        ["parent", "killed"] => parents::be_killed(),
        ["parent", case] => parents::run(case),
        ["measure"] => parents::measure(),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}
