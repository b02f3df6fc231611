//! The role of least privilege.

use crossfade_testkit::{Result, Role, Session, TestDatabase};

use crate::program::Program;

#[test]
fn the_sql_is_printed_with_what_each_part_is_for() -> Result<()> {
    let line = "grants --owner shop_owner --schema shop --state-schema Migrations";
    insta::assert_snapshot!("grants_sql", Program::new(line).run()?.shown());
    let printed = Program::new(line).argument("--format=json").run()?.json()?;
    assert_eq!(printed["schema"], "crossfade.grants/1");
    assert_eq!(printed["statements"].as_array().map(Vec::len), Some(5));
    let fewer = Program::new(line)
        .argument("--without-statistics")
        .run()?
        .stdout;
    assert!(!fewer.contains("pg_read_all_stats"), "{fewer}");
    Ok(())
}

#[tokio::test]
async fn a_role_made_by_it_can_init_and_plan() -> Result<()> {
    let database = TestDatabase::create().await?;
    let superuser = database.session("fixture", Role::Superuser).await?;
    superuser
        .run("create table public.orders (id int primary key, note text)")
        .await?;
    superuser
        .run(&format!(
            "alter table public.orders owner to \"{}\"",
            database.owner()
        ))
        .await?;

    let role = format!("{}_granted", database.name());
    let line = format!(
        "grants --schema public --role {role} --owner {}",
        database.owner()
    );
    let script = Program::new(&line).run()?.stdout;
    superuser.run(&script).await?;
    superuser
        .run(&script)
        .await
        .map_err(|error| format!("the second time: {error}"))?;
    let password = database.server().password();
    superuser
        .run(&format!("alter role {role} password '{password}'"))
        .await?;
    let url = database.server().url(database.name(), &role);

    let outcome = work(&url);
    // A role belongs to the server and would outlive the database.
    superuser
        .run(&format!("drop owned by {role}; drop role {role}"))
        .await?;
    outcome
}

fn work(url: &str) -> Result<()> {
    for _ in 0..2 {
        let run = Program::new("init --format json").url(url).run()?.json()?;
        assert_eq!(run["state_schema"], "crossfade");
        assert_eq!(run["schema"], "crossfade.init/1");
    }
    let file = b"name: orders\ntable: orders\noperations:\n  - drop_column: { column: note }\n";
    assert_eq!(
        Program::new("plan -").url(url).input(file).run()?.code,
        Some(0)
    );
    Ok(())
}

#[tokio::test]
async fn without_it_init_says_what_to_do() -> Result<()> {
    let database = TestDatabase::create().await?;
    let run = Program::new("init --format json")
        .url(&database.url(Role::Migrator))
        .run()?;
    let error = run.error()?;
    assert_eq!((run.code, &error["code"]), (Some(7), &"E0030".into()));
    assert!(
        error["next"]
            .as_str()
            .is_some_and(|next| next.contains("crossfade grants"))
    );
    let session: Session = database.session("observer", Role::Superuser).await?;
    let schemas = "select count(*) from pg_catalog.pg_namespace where nspname = 'crossfade'";
    assert_eq!(session.query_one_value::<i64>(schemas).await?, 0);
    Ok(())
}
