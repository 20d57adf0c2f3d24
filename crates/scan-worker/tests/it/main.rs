//! What reads a layer has nothing else: what it finds, what it cannot reach, and what it costs the server whatever it does.

mod escapes;
mod facts;
mod hostile;
mod misbehaviour;
mod support;
