//! Makes one call, and ends as if killed at one of its writes: for the crash test.

use std::path::Path;

use peergraph::fault;
use peergraph_tests::killed::{Given, make};

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, call, last, given @ ..] = words.as_slice() else {
        panic!("usage: victim DIR CALL POINT GIVEN...")
    };
    let last = last.parse().expect("a number");
    let node =
        make(call, Path::new(dir), &Given::of(given), || fault::arm(last)).await.expect("the call succeeds");
    println!("{}", fault::passed());
    drop(node);
    // Without a shutdown: that is a call of its own.
    std::process::exit(0);
}
