//! What every home of the store must do, case by case, over the trait alone. New behaviour starts here; a home adds one
//! [`Home`] and runs the whole suite by `conformance!`.

pub(crate) mod damage;
pub(crate) mod dispositions;
pub(crate) mod durability;
pub(crate) mod evidence;
mod harness;
pub(crate) mod publishing;
pub(crate) mod reading;
pub(crate) mod resolving;
pub(crate) mod subscriptions;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Store, StoreError};

/// Where a store under test lives: it can be opened, left and opened again, be made full, and be tampered with.
#[async_trait]
pub(crate) trait Home: Send + Sync + Sized {
    /// An empty home.
    async fn fresh() -> Self;
    /// Opens the store in it.
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError>;
    /// Lets the open store grow by at most so many bytes from now on; `None` = without limit again.
    async fn limit_growth(&self, bytes: Option<u64>);
    /// Runs a statement behind the store's back. Statements keep to plain SQL.
    async fn tamper(&self, statement: &'static str);
    /// Makes the schema that of a newer program.
    async fn make_newer(&self);
}

/// Runs the suite over a home.
macro_rules! conformance {
    ($home:ty: $($module:ident { $($case:ident)* })*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::store::conformance::$module::$case(&<$home as $crate::store::conformance::Home>::fresh().await).await;
            }
        )*)*
    };
}
pub(crate) use conformance;

/// All cases: `every_case!(MyHome)` in a home's tests.
macro_rules! every_case {
    ($home:ty) => {
        $crate::store::conformance::conformance! { $home:
            publishing {
                a_record_is_published_and_read_back
            }
        }
    };
}
pub(crate) use every_case;
