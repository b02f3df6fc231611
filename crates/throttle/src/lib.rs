//! Pacing: fast when nobody minds, out of the way when somebody does.
//!
//! Collectors look at the server on their own; workers [ask](Throttle::admit) before every chunk,
//! get an answer from what is known, and [pay](Throttle::paid) afterwards. What is not known
//! holds work up: a signal without a good sample for 15 seconds, or one that cannot be believed.

use std::time::Duration;

mod board;
mod control;
mod deadline;
mod lag;
mod ledger;
mod rate;
mod replicas;
mod settings;
mod sizing;
mod throttle;
mod verdict;

pub use deadline::{Deadline, DeadlineError, MaxRuntime, TimeError, Until};
pub use settings::{SettingError, Settings, live_setting};
pub use sizing::ChunkSize;
pub use throttle::{Admission, Throttle};
pub use verdict::{Reason, Verdict, Wait};

/// How long a collector waits for an answer. The connection on which none came is given up.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

const NO_ANSWER: &str = "the server does not answer";
