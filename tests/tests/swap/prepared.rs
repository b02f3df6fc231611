//! Prepared statements across the swap: those that return a changed column fail until they are
//! prepared anew, as the plan says; all others go on.

use crossfade_engine::Loss;
use crossfade_testkit::Result;
use tokio_postgres::error::SqlState;

use crate::way::{Command, DONE, ITEMS, WIDEN, Way};

#[tokio::test(flavor = "multi_thread")]
async fn only_those_that_return_the_changed_column_fail() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let session = way.app("session").await?;
    let client = session.client();
    let star = client.prepare("select * from public.items").await?;
    let returning = "insert into public.items (v) values ('x') returning id";
    let returning = client.prepare(returning).await?;
    let other = "select v, n from public.items where id = $1";
    let other = client.prepare(other).await?;
    let update = "update public.items set n = n + 1 where id = $1 returning v";
    let update = client.prepare(update).await?;
    for step in 0..3 {
        let (changed, back) = (step == 1, step == 2);
        if changed {
            assert_eq!(way.run(Command::Cutover).await??, DONE);
        }
        if back {
            assert_eq!(way.run(Command::Rollback(Loss::Refused)).await??, DONE);
        }
        for statement in [&star, &returning] {
            match client.query(statement, &[]).await {
                Ok(_) if !changed => {}
                Err(error) if changed => {
                    assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
                }
                outcome => return Err(format!("step {step}: {outcome:?}").into()),
            }
        }
        for statement in [&other, &update] {
            assert_eq!(client.query(statement, &[&7_i32]).await?.len(), 1);
        }
        if changed {
            let anew = client.prepare("select * from public.items").await?;
            assert_eq!(client.query(&anew, &[]).await?.len(), 1001);
        }
    }
    let sum = way.number("select sum(n) from public.items").await?;
    assert_eq!(sum, 3);
    Ok(())
}
