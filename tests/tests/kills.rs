//! Kills at random moments of every stage, while an application writes in all the ways it can, on
//! a server that flushes to disk: whole migrations up and down again and again, then one to its
//! end. Not a row is lost, and no statement of the application fails.

use std::collections::BTreeMap;
use std::time::Duration;

use crossfade_sandbox::cluster::{Cluster, ClusterOptions};
use crossfade_sandbox::workload::{Kind, OnDisconnect, Running, TooFew, WorkloadReport};
use crossfade_testkit::{Result, TestDatabase};
use crossfade_tests::crash::{Leads, Load, Place, Watch};

const ROWS: u32 = 2_000;
/// About a second of copying.
const BACKFILL: &str = "batch_size: 100, rows_per_second: 2000";

/// A migration that was rolled back is begun anew only by `expand`.
const EXPAND: &str = "expand plan.yaml --free-disk 1TiB -v";
const UP: &str = "run plan.yaml --to verify -v";
const CUTOVER: &str = "cutover leads_wider";
const ROLLBACK: &str = "rollback leads_wider --yes";
const CONTRACT: &str = "contract leads_wider --yes";

/// At least so many kills in each place.
const EACH: u32 = 3;

/// What one way up is killed in, by command, and what the way back is.
const KILLS: [(&str, &[Place]); 4] = [
    (EXPAND, &[Place::Expand]),
    (
        UP,
        &[
            Place::Backfill,
            Place::Backfill,
            Place::Closing,
            Place::Verify,
        ],
    ),
    (CUTOVER, &[Place::Cutover]),
    (ROLLBACK, &[Place::After]),
];

struct Chaos {
    leads: Leads,
    load: Running,
    watch: Watch,
    kills: BTreeMap<Place, u32>,
    ways: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn own_cluster_kills_under_load() -> Result<()> {
    let wanted = match std::env::var_os("CROSSFADE_TEST_LONG") {
        Some(_) => 100,
        None => 20,
    };
    let cluster = Cluster::start(&ClusterOptions::default().durable()).await?;
    let database = TestDatabase::create_in(&cluster).await?;
    let leads = Leads::create_on(database, ROWS, BACKFILL).await?;
    let load = leads.load(Load {
        connections: 8,
        truncate: 5,
        on_disconnect: OnDisconnect::Fail,
    });
    let mut chaos = Chaos {
        load: load.await?,
        watch: Watch::new(&leads).await?,
        leads,
        kills: BTreeMap::new(),
        ways: 0,
    };
    while !chaos.has_enough(wanted) {
        chaos.up(true).await?;
        chaos.back().await?;
    }
    chaos.up(false).await?;
    chaos.through_contract().await?;
    chaos.load.wait_until(truncated).await?;
    let report = chaos.load.stop().await;
    print(&chaos.kills, chaos.ways, &report, &deadlocks(&cluster)?);
    Leads::expect_no_failure(&report)?;
    expect_every_kind(&report)?;
    chaos.leads.expect_contracted().await
}

impl Chaos {
    fn has_enough(&self, wanted: u32) -> bool {
        let each = |place| self.kills.get(place).copied().unwrap_or(0);
        Place::ALL.iter().all(|place| each(place) >= EACH)
            && self.kills.values().sum::<u32>() >= wanted
    }

    /// Up to the swap, from nothing.
    async fn up(&mut self, kills: bool) -> Result<()> {
        self.ways += 1;
        for (line, places) in &KILLS[..3] {
            if *line == CUTOVER {
                // From here on the swap may come at any moment.
                self.load.switch_shape(self.leads.common_shape()?).await;
            }
            self.command(line, if kills { places } else { &[] }).await?;
        }
        self.leads.expect_equal(true).await?;
        self.load.switch_shape(self.leads.new_shape()?).await;
        self.load.every_kind_but_truncate_again().await
    }

    async fn back(&mut self) -> Result<()> {
        self.load.switch_shape(self.leads.common_shape()?).await;
        let (line, places) = KILLS[3];
        self.command(line, places).await?;
        self.leads.expect_undone().await?;
        self.load.switch_shape(self.leads.old_shape()).await;
        self.load.every_kind_but_truncate_again().await
    }

    async fn through_contract(&mut self) -> Result<()> {
        self.command(CONTRACT, &[Place::After]).await?;
        self.load.every_kind_but_truncate_again().await
    }

    /// Runs a command, kills it in each of these places, and lets it come to its end.
    async fn command(&mut self, line: &str, kills: &[Place]) -> Result<()> {
        for place in kills {
            let mut process = self.leads.program.start(line, &slowed(*place)).await?;
            if self.watch.wait_for(*place, &mut process).await? {
                // Not for a state: the very moment is what is random.
                let most = u64::try_from(longest(*place).as_millis())?;
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..most))).await;
            }
            let id = process.id();
            let run = process.kill().await?;
            if run.killed {
                let found = self.watch.place(id).await?.unwrap_or(*place);
                // Dead between the commit of a swap and the command's end.
                let found = match (place, found) {
                    (Place::Cutover, Place::After) => Place::Cutover,
                    (_, found) => found,
                };
                *self.kills.entry(found).or_default() += 1;
            } else {
                run.expect_success(line)?;
            }
        }
        self.leads.program.succeed(line).await
    }
}

/// Makes a place last long enough to be hit, by pauses before commits and at what is special to
/// it.
fn slowed(place: Place) -> String {
    let more = match place {
        Place::Verify => ";verify/compared=sleep(200)",
        Place::Cutover => ";cutover/locked=sleep(50);cutover/swapped=sleep(50)",
        Place::After => ";rollback/before-commit=sleep(50)",
        Place::Expand | Place::Backfill | Place::Closing => "",
    };
    format!("transaction/before-commit=sleep(30){more}")
}

/// About how long a place lasts, slowed.
fn longest(place: Place) -> Duration {
    Duration::from_millis(match place {
        Place::Backfill => 1500,
        Place::Expand | Place::Closing => 500,
        Place::Verify => 400,
        Place::Cutover => 250,
        Place::After => 150,
    })
}

/// TRUNCATE is rare, for the copy begins afresh after each: it is waited for at the end.
trait Busy {
    async fn every_kind_but_truncate_again(&self) -> Result<()>;
}

impl Busy for Running {
    async fn every_kind_but_truncate_again(&self) -> Result<()> {
        let before = self.snapshot();
        let again = |now: &WorkloadReport| {
            let kinds = now.kinds.iter().zip(&before.kinds);
            let lazy = kinds
                .filter(|(now, _)| now.kind != Kind::Truncate)
                .filter(|(now, before)| now.commits < before.commits + 2);
            none_of(lazy.map(|(now, _)| now.kind))
        };
        self.wait_until(again).await?;
        Ok(())
    }
}

fn truncated(report: &WorkloadReport) -> std::result::Result<(), TooFew> {
    let kinds = report.kinds.iter();
    let lazy = kinds.filter(|kind| kind.kind == Kind::Truncate && kind.commits < 3);
    none_of(lazy.map(|kind| kind.kind))
}

fn none_of(lazy: impl Iterator<Item = Kind>) -> std::result::Result<(), TooFew> {
    let lazy: Vec<Kind> = lazy.collect();
    if lazy.is_empty() {
        Ok(())
    } else {
        Err(TooFew(lazy))
    }
}

/// Every kind is at least one in a hundred commits. TRUNCATE is not: five a second would let no
/// copy come to its end.
fn expect_every_kind(report: &WorkloadReport) -> Result<()> {
    let kinds = report.kinds.iter();
    let rare = kinds
        .filter(|kind| kind.kind != Kind::Truncate)
        .filter(|kind| kind.commits * 100 < report.commits);
    none_of(rare.map(|kind| kind.kind))?;
    truncated(report)?;
    Ok(())
}

/// What the server says about deadlocks.
fn deadlocks(cluster: &Cluster) -> Result<String> {
    let log = std::fs::read_to_string(cluster.data_directory().with_extension("log"))?;
    let lines: Vec<&str> = log.lines().collect();
    let found = lines.iter().enumerate();
    let found = found.filter(|(_, line)| line.contains("deadlock detected"));
    let told = found.flat_map(|(at, _)| lines[at..].iter().take(16));
    Ok(told.copied().collect::<Vec<_>>().join("\n"))
}

#[expect(
    clippy::print_stderr,
    reason = "the figures of a run are what it is for"
)]
fn print(kills: &BTreeMap<Place, u32>, ways: u32, report: &WorkloadReport, deadlocks: &str) {
    let kills: Vec<String> = kills
        .iter()
        .map(|(place, count)| format!("{place} {count}"))
        .collect();
    eprintln!("{ways} migrations; kills: {}", kills.join(", "));
    eprintln!("{}{deadlocks}", report.to_text());
}
