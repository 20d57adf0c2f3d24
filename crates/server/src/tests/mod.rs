//! Tests of the server as a whole, in this process: on a folder of its own, a free port and a clock that stands still.

mod denied_by_default;
mod test_server;
