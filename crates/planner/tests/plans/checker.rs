//! The checker finds what no plan may do: each case breaks a sound plan in one way.

use crossfade_plan::Stage;
use crossfade_plan::execution::{Action, Blocking, ExecutionPlan, Lock, LockLevel, Step, StepId};
use crossfade_planner::check;
use crossfade_testkit::Result;

use crate::fixture::Fixture;

type Break = fn(&mut ExecutionPlan);

fn step<'a>(plan: &'a mut ExecutionPlan, id: &str) -> &'a mut Step {
    plan.steps
        .iter_mut()
        .find(|step| step.id.as_str() == id)
        .expect("the plan has the step")
}

const CASES: &[(&str, Break)] = &[
    ("of different levels", |plan| {
        let locks = &mut step(plan, "create-triggers").locks;
        let relation = locks[0].relation.clone();
        locks.push(Lock {
            relation,
            level: LockLevel::AccessExclusive,
        });
    }),
    ("it scans a table under SHARE ROW EXCLUSIVE", |plan| {
        step(plan, "create-triggers").blocking = Blocking::Scan;
    }),
    ("says that it blocks nobody", |plan| {
        step(plan, "swap").blocking = Blocking::None;
    }),
    ("validates a constraint under a lock", |plan| {
        step(plan, "validate-constraint-1").locks[0].level = LockLevel::AccessExclusive;
    }),
    (
        "adds and validates a constraint in one transaction",
        |plan| {
            let validate = step(plan, "validate-constraint-1").statements.clone();
            step(plan, "add-constraints").statements.extend(validate);
        },
    ),
    ("checked under its lock", |plan| {
        let statements = &mut step(plan, "add-constraints").statements;
        for statement in statements.iter_mut() {
            *statement = statement.replace(" not valid", "");
        }
    }),
    ("drops by cascade", |plan| {
        let last = step(plan, "drop-old-side")
            .statements
            .last_mut()
            .expect("a statement");
        last.push_str(" cascade");
    }),
    ("longer than 63 bytes", |plan| {
        let long = "x".repeat(64);
        step(plan, "swap")
            .statements
            .push(format!("alter table a rename to \"{long}\""));
    }),
    ("it does nothing", |plan| {
        step(plan, "analyze-target").statements.clear();
    }),
    ("can't be in a transaction", |plan| {
        step(plan, "create-index-i").action = Action::Transaction;
    }),
    ("one create index concurrently", |plan| {
        let statement = &mut step(plan, "create-index-i").statements[0];
        *statement = statement.replace("concurrently ", "");
    }),
    ("it changes something and has no undo", |plan| {
        step(plan, "create-triggers").undo.clear();
    }),
    ("it changes something and has no undo", |plan| {
        step(plan, "create-target").undo_last.clear();
    }),
    ("drops a table under the locks of the way back", |plan| {
        let create = step(plan, "create-target");
        create.undo = std::mem::take(&mut create.undo_last);
    }),
    ("is dropped before its trigger", |plan| {
        let statements = &mut step(plan, "drop-old-side").statements;
        statements.swap(0, 2);
    }),
    ("is dropped before its trigger", |plan| {
        let functions = step(plan, "create-dual-write-functions").undo.clone();
        step(plan, "create-triggers").undo.splice(0..0, functions);
    }),
    ("is dropped before function", |plan| {
        let statements = &mut step(plan, "drop-old-side").statements;
        let table = statements.pop().expect("a statement");
        statements.insert(2, table);
    }),
    ("another step has the same id", |plan| {
        step(plan, "verify").id = StepId::new("swap");
    }),
    ("it leads to an earlier stage", |plan| {
        step(plan, "swap").stage = Stage::Expanded;
    }),
];

#[tokio::test]
async fn every_broken_plan_is_found() -> Result<()> {
    let fixture =
        Fixture::new("create table public.t (id int primary key, v int check (v > 0))").await?;
    let plan = fixture
        .sound_plan("name: m\ntable: t\noperations:\n  - add_index: { name: i, columns: [v] }\n")
        .await?;
    assert_eq!(check(&plan), []);
    for (expected, broken) in CASES {
        let mut plan = plan.clone();
        broken(&mut plan);
        let findings: Vec<String> = check(&plan).iter().map(ToString::to_string).collect();
        assert!(
            findings.iter().any(|one| one.contains(expected)),
            "{expected}: {findings:?}"
        );
    }
    Ok(())
}
