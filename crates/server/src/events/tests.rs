//! Tests of events: what a change is told as, and to whom.
