//! The lists of orders and refunds that an earlier release wrote. It knew no tenants.

use baton_handoff::record::DEFAULT_TENANT;

/// The name that a list of before has today; `None` for every other list.
pub fn renamed_list(list: &str) -> Option<String> {
    match list {
        "B#ORDERS" => Some(format!("{DEFAULT_TENANT}/orders")),
        "B#REFUNDS" => Some(format!("{DEFAULT_TENANT}/refunds")),
        _ => None,
    }
}
