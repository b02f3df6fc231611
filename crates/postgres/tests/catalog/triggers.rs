//! The continuity facts of our triggers show every gap.

use crossfade_postgres::Mode;
use crossfade_postgres::catalog::{Table, TriggerFacts, trigger_facts};
use crossfade_testkit::Result;

use crate::fixture::{NAME, Rich, begin, name};

async fn facts(rich: &Rich) -> Result<Vec<TriggerFacts>> {
    let transaction = begin(&rich.database, Mode::Read).await?;
    let table = Table::load(&transaction, &name(NAME)?)
        .await?
        .ok_or("not there")?;
    let facts = trigger_facts(&transaction, table.oid).await?;
    transaction.rollback().await?;
    Ok(facts)
}

#[tokio::test]
async fn facts_are_equal_only_when_nothing_was_touched() -> Result<()> {
    let rich = Rich::create().await?;
    let mut before = facts(&rich).await?;
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].function, name("\"Shop\".touch")?);
    rich.admin
        .run("vacuum (full, analyze) \"Shop\".\"Order Item\"")
        .await?;
    assert_eq!(facts(&rich).await?, before);
    let original = "create or replace function \"Shop\".touch() returns trigger language plpgsql \
         as $f$begin return new; end$f$";
    for gap in [
        "alter table \"Shop\".\"Order Item\" disable trigger \"!crossfade_m_forward\"; \
         alter table \"Shop\".\"Order Item\" enable trigger \"!crossfade_m_forward\"",
        original,
        "create or replace function \"Shop\".touch() returns trigger language plpgsql \
         as $f$begin return null; end$f$",
        "alter table \"Shop\".\"Order Item\" enable always trigger \"!crossfade_m_forward\"",
        "drop trigger \"!crossfade_m_forward\" on \"Shop\".\"Order Item\"",
    ] {
        rich.admin.run(gap).await?;
        let after = facts(&rich).await?;
        assert_ne!(after, before, "{gap}");
        before = after;
    }
    Ok(())
}
