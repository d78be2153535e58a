//! Tools that are not what the team's operator agreed to any more: models are not told of them.

use crate::model::says;
use crate::play::Play;

async fn offered(play: &Play) -> Vec<String> {
    play.model.will([says(&["Go on."])]);
    play.say("hello").await;
    let request = play.model.requests().pop().unwrap();
    let names = request.tools.iter().map(|tool| tool.name.clone());
    names.collect()
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_tool_is_left_out_of_requests_until_it_is_back() {
    let play = Play::begin();
    play.transferred_by("transfer_to_sales_agent").await;
    let all = offered(&play).await;
    assert!(all.contains(&"execute_order".to_owned()), "{all:?}");
    assert!(play.engine.withdrawn_tools().is_empty());

    play.shop.withdraw(&["execute_order"]);
    let left: Vec<_> = all
        .iter()
        .filter(|name| *name != "execute_order")
        .cloned()
        .collect();
    assert_eq!(offered(&play).await, left);
    assert_eq!(play.engine.withdrawn_tools(), ["execute_order"]);

    play.shop.withdraw(&[]);
    assert_eq!(offered(&play).await, all);
}
