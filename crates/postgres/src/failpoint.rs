//! Failpoints: places where a test lets the process die or an error happen.
//!
//! Without the feature `failpoints` they cost nothing. With it, `FAILPOINTS=name=return(kill)` (the
//! syntax of the `fail` crate; `3*off->return(kill)` passes three times first) ends the process at
//! that place as `kill -9` would: no destructor runs, no farewell is sent to the server.

/// Passes the failpoint `name`.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    fail::fail_point!(name, |argument| {
        if argument.as_deref() == Some("kill") {
            let me = rustix::process::getpid();
            // The signal ends the process before the call returns; an error cannot happen for
            // one's own process.
            let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
        }
    });
}

/// Passes the failpoint `name`: nothing to do in a build without failpoints.
#[cfg(not(feature = "failpoints"))]
pub fn hit(_name: &str) {}
