//! The stamp of the gate: whatever is changed of either table, between the comparison of the
//! catalogs and the locks, moves it.

use crossfade_testkit::{Result, Role, Session, TestDatabase};

/// What the engine reads under the locks.
const STAMP: &str = include_str!("../../../crates/engine/src/gate_stamp.sql");

const TABLES: &str = "
    create table public.one (id int primary key, v text default 'x', n int);
    create table public.two (id int primary key, v text default 'x', n int);
    create table public.child (
        one int constraint child_one references public.one (id),
        two int constraint child_two references public.two (id));
    create function public.nothing() returns trigger language plpgsql as $$
        begin return null; end $$;
    create publication p_one;
    create publication p_two;";

/// Changes of the table T, one after the other. For each part of the stamp there is one that no
/// other part sees.
const CHANGES: [&str; 20] = [
    "alter table public.T set (fillfactor = 70)",
    "alter table public.T alter column v set statistics 7",
    "alter table public.T add column late int",
    "alter table public.T alter column v set default 'y'",
    "create index n_T on public.T (n)",
    "alter table public.T cluster on n_T",
    "alter table public.T add constraint positive check (n > 0) not valid",
    "alter table public.T validate constraint positive",
    "alter table public.child rename constraint child_T to renamed_T",
    "create trigger t after insert on public.T for each row execute function public.nothing()",
    "alter trigger t on public.T rename to u",
    "alter function public.nothing() cost 7",
    "create rule r as on update to public.T do also nothing",
    "alter rule r on public.T rename to s",
    "create policy few on public.T using (n > 0)",
    "alter policy few on public.T rename to many",
    "create statistics public.s_T on v, n from public.T",
    "alter statistics public.s_T set statistics 50",
    "create view public.looks_at_T as select v from public.T",
    "alter publication p_T add table public.T",
];

async fn stamp(admin: &Session) -> Result<String> {
    let sql = STAMP
        .replace("$1", "'public.one'::regclass")
        .replace("$2", "'public.two'::regclass");
    Ok(admin.query_one_value(&sql).await?)
}

#[tokio::test]
async fn every_change_of_either_table_moves_it() -> Result<()> {
    let database = TestDatabase::create().await?;
    let admin = database.session("admin", Role::Superuser).await?;
    admin.run(TABLES).await?;
    for table in ["one", "two"] {
        for change in CHANGES {
            let change = change.replace('T', table);
            let before = stamp(&admin).await?;
            assert_eq!(stamp(&admin).await?, before);
            admin.run(&change).await?;
            assert_ne!(stamp(&admin).await?, before, "{change}");
        }
    }
    // What is written moves nothing.
    let before = stamp(&admin).await?;
    admin
        .run("insert into public.one (id, n) values (1, 1); analyze public.child")
        .await?;
    assert_eq!(stamp(&admin).await?, before);
    Ok(())
}
