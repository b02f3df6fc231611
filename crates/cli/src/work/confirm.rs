//! Asking before what cannot be undone.

use std::io::{self, IsTerminal, Write};

use crate::error::{Code, Failure};

/// Asks on the terminal whether `what` is wanted, unless that was said already. Where nobody can
/// be asked, it was not.
pub(crate) fn confirm(yes: bool, what: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let message = format!("{what}; without a terminal to ask on this needs --yes");
        return Err(Failure::new(Code::NotConfirmed, message));
    }
    // Standard output is for data.
    let asked = write!(io::stderr(), "{what}. Go on? [y/N] ").and_then(|()| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = asked.unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(answer.as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Code::NotConfirmed, "not confirmed"))
    }
}
